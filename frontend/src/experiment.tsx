/** One experiment: all of its views. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { Contours } from "./charts/contours";
import { Curves } from "./charts/curves";
import { Front } from "./charts/front";
import { History } from "./charts/history";
import { Parallel } from "./charts/parallel";
import { Correlation, Importance } from "./charts/relations";
import { Pairs, Slices } from "./charts/slices";
import { Timeline } from "./charts/timeline";
import { Actions, point } from "./actions";
import { Copy, TrialDetail } from "./detail";
import { brief, clip, duration, seconds, short } from "./numbers";
import { Later } from "./later";
import { Name } from "./name";
import * as source from "./source";
import { opened, select, selected } from "./state";
import { ACTIVE, type Study, study } from "./study";
import { Table } from "./table";
import type { Everything } from "./types";

export function Watched({ id }: { id: string }) {
  const [sent, setSent] = useState<Everything | null>(null);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    setSent(null);
    select(null, "");
    opened.value = null;
    point.value = null;
    return source.watch(id, { changed: setSent, trouble: setTrouble });
  }, [id]);
  return (
    <>
      {trouble && <p role="alert">{trouble}</p>}
      {sent ? <Experiment sent={sent} id={id} /> : !trouble && <p role="status">Reading the experiment…</p>}
    </>
  );
}

export function Experiment({ sent, id }: { sent: Everything; id: string | null }) {
  const shown = useMemo(() => study(sent), [sent]);
  useEffect(() => { document.title = shown.name; }, [shown.name]);
  const costly = shown.trials.length > COSTLY;
  return (
    <>
      <Head shown={shown} id={id} />
      <nav class="jump" aria-label="Views">
        {VIEWS.filter(([key]) => has(shown, key)).map(([key, title]) => <a key={key} href={`#${key}`} onClick={(event) => {
          event.preventDefault();
          document.getElementById(key)?.scrollIntoView();
        }}>{title}</a>)}
      </nav>
      <Selection count={shown.trials.length} />
      <div class="cards">
        <Card id="best" wide><History shown={shown} /></Card>
        {has(shown, "front") && <Card id="front" wide><Front shown={shown} /></Card>}
        <Card id="trials" wide><Table shown={shown} /></Card>
        {has(shown, "parallel") && (<>
          <Card id="parallel" wide><Later costly={costly}><Parallel shown={shown} /></Later></Card>
          <Card id="importance"><Later costly={costly}><Importance shown={shown} id={id} /></Later></Card>
          <Card id="correlation"><Later costly={costly}><Correlation shown={shown} /></Later></Card>
          <Card id="slices" wide><Later costly={costly}><Slices shown={shown} /></Later></Card>
          <Card id="pairs"><Later costly={costly}><Pairs shown={shown} /></Later></Card>
          <Card id="contours"><Later costly={costly}><Contours shown={shown} /></Later></Card>
        </>)}
        <Card id="curves"><Later costly={costly}><Curves shown={shown} /></Later></Card>
        <Card id="timeline"><Later costly={costly}><Timeline shown={shown} /></Later></Card>
        <Card id="file" wide><FileView shown={shown} id={id} /></Card>
      </div>
      <TrialDetail shown={shown} id={id} />
    </>
  );
}

/** From so many trials on, a view takes a time that is felt. */
const COSTLY = 1000;

const VIEWS = [
  ["best", "Best so far"], ["front", "Trade-off"], ["trials", "Trials"], ["parallel", "Parallel coordinates"], ["importance", "Importance"],
  ["correlation", "Correlation"], ["slices", "Slices"], ["pairs", "Pairs"], ["contours", "Contours"], ["curves", "Learning curves"],
  ["timeline", "Timeline"], ["file", "Experiment file"],
] as const;

type View = (typeof VIEWS)[number][0];

/** Views whose axes are parameters. */
const OF_PARAMETERS: ReadonlySet<View> = new Set(["parallel", "importance", "correlation", "slices", "pairs", "contours"]);

/** Whether an experiment has something to show in a view; an architecture is one text, and no axis. */
function has(shown: Study, view: View): boolean {
  if (view === "front") return shown.objective.objectives.length > 1;
  return !OF_PARAMETERS.has(view) || shown.parameters.some((parameter) => parameter.list?.length !== 0);
}

function Card({ id, wide = false, children }: { id: View; wide?: boolean; children: preact.ComponentChildren }) {
  const title = VIEWS.find(([key]) => key === id)?.[1];
  return <section id={id} class={`card${wide ? " wide" : ""}`} aria-labelledby={`${id}-title`}><h2 id={`${id}-title`}>{title}</h2>{children}</section>;
}

function Head({ shown, id }: { shown: Study; id: string | null }) {
  const [, tick] = useState(0);
  const done = shown.completed !== "";
  useEffect(() => {
    if (done) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [done]);
  const ended = shown.trials.filter((trial) => !ACTIVE.has(trial.condition)).length;
  const running = shown.trials.filter((trial) => trial.condition === "Running").length;
  const failed = shown.trials.filter((trial) => trial.condition === "Failed" || trial.condition === "MetricsUnavailable").length;
  const { metric, goal } = shown.objective;
  const { trials: limit, parallel, failures } = shown.limits;
  const settings = clip(Object.entries(shown.algorithm.settings).map(([name, value]) => `${name}=${value}`).join(", "), 300);
  const words = [
    `${ended}${limit === null ? "" : ` of ${limit}`} trials`, running ? `${running} running` : "", failed ? `${failed} failed${failures === null ? "" : `, ends at ${failures}`}` : "",
    done ? "" : `at most ${parallel} at a time`,
    duration(seconds(shown.started, shown.completed || new Date().toISOString())),
  ];
  const state = done ? shown.condition.type
    : !shown.runs ? `no runner is at work; ${shown.command ? "to resume" : "run the same command to resume"}${shown.paused ? " (paused)" : ""}`
    : shown.paused ? (running ? "paused; running trials go on" : "paused") : "running";
  return (
    <header class="head">
      <h1><Name of={shown.name} /></h1>
      <p class="soft break"><Name of={shown.place} /></p>
      <p><strong class={`state ${shown.condition.type}`} title={shown.condition.reason}>{state}</strong>{done && shown.condition.message ? <> · <Name of={shown.condition.message} /></> : ""}</p>
      {!done && !shown.runs && shown.command && <p class="bar"><code class="break">{shown.command}</code><Copy text={shown.command} /></p>}
      {id !== null && <Actions shown={shown} id={id} />}
      <p>{words.filter(Boolean).join(" · ")}</p>
      {limit !== null && <progress max={limit} value={ended} aria-label="Trials that have ended">{ended}</progress>}
      <p>{shown.algorithm.name}{settings && <span class="soft break"> ({settings})</span>}{shown.earlyStopping ? `, ${shown.earlyStopping.name}` : ""}
        {" · "}{shown.objective.objectives.map((each, i) => <span key={i}>{i ? ", " : ""}{each.maximize ? "maximize" : "minimize"} <Name of={each.metric} /></span>)}{goal === null ? "" : `, goal ${brief(goal)}`}
        {shown.objective.constraints.map((each, i) => <span key={`c${i}`}>{i ? ", " : " · such that "}<Name of={each.metric} /> {each.atMost ? (each.strict ? "<" : "≤") : each.strict ? ">" : "≥"} {brief(each.bound)}</span>)}</p>
      {shown.best && (
        <p class="winner">{shown.best.feasible === false ? "no trial is feasible; the least violated has" : "best"} <Name of={metric} />{" "}
          <button type="button" class="link" title={shown.best.metrics[0]} onClick={() => { opened.value = shown.best?.number ?? null; }}>
            {short(shown.best.metrics[0] ?? "")}
          </button>{" "}by trial {shown.best.number}:{" "}
          <span class="break">{shown.parameters.map((parameter, i) => (
            <span key={i} title={(shown.best?.values[i] ?? "").slice(0, 200)}>{i ? ", " : ""}<Name of={parameter.name} /> = <Name of={short(shown.best?.values[i] ?? "–")} /></span>
          ))}</span>
        </p>
      )}
    </header>
  );
}

function Selection({ count }: { count: number }) {
  const chosen = selected.value;
  return (
    <div class={`selection${chosen ? "" : " none"}`} role="status">
      {chosen ? <>{chosen.size} of {count} trials selected <button type="button" onClick={() => select(null, "")}>clear</button></> : ""}
    </div>
  );
}

function FileView({ shown, id }: { shown: Study; id: string | null }) {
  const [said, setSaid] = useState<{ name: string; text: string }[] | null>(null);
  return (
    <>
      <div class="bar">
        <Copy text={shown.file} />
        {id !== null && (<>
          <a class="button" href={source.file(id, "experiment.yaml")} download>experiment.yaml</a>
          <a class="button" href={source.file(id, "trials.csv")} download>trials.csv</a>
          <button type="button" onClick={async () => setSaid(await source.servers(id))}>what the servers said</button>
        </>)}
      </div>
      {shown.changed.length > 0 && (
        <p class="soft">Changed while it ran: {shown.changed.map(({ field, file, now }) => `${field} is ${now ?? "not set"}, ${file ?? "not set"} in the file`).join("; ")}.</p>
      )}
      <pre class="output" tabIndex={0} aria-label="Experiment file">{shown.file}</pre>
      {said !== null && !said.length && <p class="empty">The servers of this experiment have left no logs here.</p>}
      {said?.map((server) => (
        <details key={server.name}><summary>{server.name}</summary><pre class="output" tabIndex={0} aria-label={`Log of ${server.name}`}>{server.text || "Nothing."}</pre></details>
      ))}
    </>
  );
}

