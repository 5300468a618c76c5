import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Compare } from "./charts/compare";
import { Experiment, Watched } from "./experiment";
import { List } from "./list";
import { Name } from "./name";
import * as source from "./source";
import { study } from "./study";
import "./style.css";
import type { Everything } from "./types";

function Compared({ ids }: { ids: readonly string[] }) {
  const [sent, setSent] = useState<Record<string, Everything>>({});
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    document.title = "Experiments side by side";
    setSent({});
    const ends = ids.map((id) => source.watch(id, {
      changed: (everything) => setSent((known) => ({ ...known, [id]: everything })),
      trouble: setTrouble,
    }));
    return () => ends.forEach((end) => end());
  }, [ids.join()]);
  const studies = ids.flatMap((id) => (sent[id] ? [study(sent[id])] : []));
  return (
    <>
      <header class="head"><h1>Side by side</h1>
        <ul>{studies.map((shown, i) => <li key={i}><a href={`#/experiment/${ids[i]}`}><Name of={shown.name} /></a> <span class="soft break"><Name of={shown.place} /></span></li>)}</ul></header>
      {trouble && <p role="alert">{trouble}</p>}
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
    : kind === "compare" ? <Compared ids={rest.split(",").slice(0, 5)} key={rest} /> : <List />;
  return <main>{kind !== undefined && <p><a href="#">← Experiments</a></p>}{inside}</main>;
}

const place = document.getElementById("app");
if (place) render(<App />, place);
document.body.dataset["ready"] = "yes";
