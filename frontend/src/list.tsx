/** The experiments below the folders. */

import { useEffect, useState } from "preact/hooks";
import { age, short } from "./numbers";
import { Name } from "./name";
import * as source from "./source";
import type { Summary } from "./types";

/** Experiments side by side at most: each is a stream, and a browser opens six to one server. */
export const MOST = 5;

export function List() {
  const [found, setFound] = useState<Summary[] | null>(null);
  const [trouble, setTrouble] = useState("");
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    document.title = "Experiments";
    let here = true;
    let timer = 0;
    const read = async () => {
      try {
        const list = await source.list();
        if (here) { setFound(list); setTrouble(""); }
      } catch (error) {
        if (here) setTrouble(`The server cannot be reached; trying again. (${String(error)})`);
      }
      if (here) timer = window.setTimeout(read, 2000);
    };
    void read();
    return () => { here = false; window.clearTimeout(timer); };
  }, []);
  const there = new Set((found ?? []).map((entry) => entry.id));
  const wanted = [...chosen].filter((id) => there.has(id));
  const low = search.toLowerCase();
  const rows = (found ?? []).filter((entry) => `${entry.name} ${entry.place} ${entry.algorithm ?? ""} ${entry.condition ?? ""}`.toLowerCase().includes(low));
  return (
    <>
      <header class="head"><h1>Experiments</h1></header>
      {trouble && <p role="alert">{trouble}</p>}
      <div class="bar">
        <label class="grow"><span class="hidden">Search</span>
          <input type="search" value={search} placeholder="search" onInput={(event) => setSearch(event.currentTarget.value)} /></label>
        <button type="button" disabled={wanted.length < 2} onClick={() => { location.hash = `#/compare/${wanted.join(",")}`; }}>
          compare {wanted.length || ""}
        </button>
      </div>
      {found === null ? <p role="status">Reading…</p> : !rows.length ? <p class="empty">There is no experiment here{search ? " with these words" : " yet; suggest run makes one"}.</p> : (
        <ul class="list">
          {rows.map((entry) => (
            <li key={entry.id} class="card">
              <input type="checkbox" aria-label={`Compare ${entry.name}`} checked={chosen.has(entry.id)} disabled={entry.error !== "" || (wanted.length >= MOST && !chosen.has(entry.id))}
                title={wanted.length >= MOST && !chosen.has(entry.id) ? `at most ${MOST} side by side` : ""}
                onChange={() => { const next = new Set(chosen); if (!next.delete(entry.id)) next.add(entry.id); setChosen(next); }} />
              <div class="grow">
                <h2><a href={`#/experiment/${entry.id}`}><Name of={entry.name} /></a></h2>
                <p class="soft break"><Name of={entry.place} /> · changed {age(entry.changed * 1000)}</p>
                {entry.error ? <p class="break" role="alert">{entry.error}</p> : (<>
                  <p><strong class={`state ${entry.condition ?? ""}`}>{entry.done ? entry.condition : entry.paused ? "paused" : entry.runs ? "running" : "incomplete"}</strong>
                    {" · "}{entry.algorithm} · {entry.ended}{entry.limit === null ? "" : ` of ${entry.limit}`} trials
                    {entry.running ? `, ${entry.running} running` : ""}{entry.failed ? `, ${entry.failed} failed` : ""}</p>
                  {entry.done && entry.message ? <p class="soft break"><Name of={entry.message} longest={200} /></p> : null}
                  {entry.limit ? <progress max={entry.limit} value={entry.ended} aria-label={`Trials of ${entry.name} that have ended`} /> : null}
                  <p>{entry.best ? <>best <Name of={entry.metric ?? ""} /> <strong title={entry.best}>{short(entry.best)}</strong></> : "no value yet"}</p>
                </>)}
              </div>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
