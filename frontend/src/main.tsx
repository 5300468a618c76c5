import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Compare } from "./charts/compare";
import { Experiment, Watched } from "./experiment";
import { List, MOST } from "./list";
import { Name } from "./name";
import * as source from "./source";
import { study } from "./study";
import "./style.css";
import type { Everything } from "./types";

function Compared({ all }: { all: readonly string[] }) {
  const ids = all.slice(0, MOST);
  const more = all.length - ids.length;
  const [sent, setSent] = useState<Record<string, Everything>>({});
  const [trouble, setTrouble] = useState<Record<string, string>>({});
  useEffect(() => {
    document.title = "Experiments side by side";
    setSent({});
    setTrouble({});
    const ends = ids.map((id) => source.watch(id, {
      changed: (everything) => setSent((known) => ({ ...known, [id]: everything })),
      trouble: (text) => setTrouble((known) => ({ ...known, [id]: text })),
    }));
    return () => ends.forEach((end) => end());
  }, [ids.join()]);
  const known = useMemo(() => ids.flatMap((id) => (sent[id] ? [{ id, shown: study(sent[id]) }] : [])), [sent]);
  const studies = useMemo(() => known.map(({ shown }) => shown), [known]);
  return (
    <>
      <header class="head"><h1>Side by side</h1>
        <ul>{known.map(({ id, shown }) => <li key={id}><a href={`#/experiment/${id}`}><Name of={shown.name} /></a> <span class="soft break"><Name of={shown.place} /></span></li>)}</ul></header>
      {ids.map((id) => trouble[id] && <p key={id} role="alert">{sent[id] ? <><Name of={sent[id].name} />: </> : ""}{trouble[id]}</p>)}
      {more > 0 && <p role="alert">At most {MOST} are shown at a time; {more} more {more === 1 ? "is" : "are"} left out.</p>}
      {studies.length === ids.length ? <div class="cards"><Compare studies={studies} /></div> : <p role="status">Reading…</p>}
    </>
  );
}

function App() {
  const [place, setPlace] = useState(location.hash);
  useEffect(() => {
    const moved = () => setPlace(location.hash);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  if (source.embedded) return <main><Experiment sent={source.embedded} id={null} /></main>;
  const [, kind, rest = ""] = place.split("/");
  const inside = kind === "experiment" ? <Watched id={rest} key={rest} />
    : kind === "compare" ? <Compared all={[...new Set(rest.split(","))]} key={rest} /> : null;
  return <main>{inside ? <><p><a href="#">← Experiments</a></p>{inside}</> : <List />}</main>;
}

const place = document.getElementById("app");
if (place) render(<App />, place);
document.body.dataset["ready"] = "yes";
