/** One trial: values, reports, command, files, and what it prints, live. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Stop, point, textsOf } from "./actions";
import { brief, bytes, duration, seconds, short } from "./numbers";
import { Name } from "./name";
import * as source from "./source";
import { opened } from "./state";
import { ACTIVE, type Study } from "./study";
import { Mark } from "./table";
import type { Detail, Trial } from "./types";

const LONGEST = 400_000;

export function Copy({ text }: { text: string }) {
  const [said, setSaid] = useState("copy");
  const place = useRef<HTMLButtonElement>(null);
  const copy = async () => {
    setSaid(await copied(text, place.current) ? "copied" : "cannot copy here");
    setTimeout(() => setSaid("copy"), 1500);
  };
  return <button ref={place} type="button" onClick={copy}>{said}</button>;
}

/** Copy a text; a page that is not of this machine, and comes without TLS, has no clipboard but the older command. */
async function copied(text: string, beside: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    // In the open dialog, if there is one: nothing else can have the focus.
    (beside?.parentElement ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    beside?.focus();
    return done;
  }
}

export function TrialDetail({ shown, id }: { shown: Study; id: string | null }) {
  const trial = opened.value === null ? undefined : shown.trials[opened.value];
  const dialog = useRef<HTMLDialogElement>(null);
  const open = trial !== undefined;
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open && dialog.current?.open) dialog.current.close();
  }, [open]);
  return (
    <dialog
      ref={dialog} aria-label={trial ? `Trial ${trial.number}` : "Trial"} onClose={() => { opened.value = null; }}
      onClick={(event) => { if (event.target === dialog.current) dialog.current?.close(); }}
    >
      {trial && <Inside shown={shown} trial={trial} id={id} />}
    </dialog>
  );
}

function Inside({ shown, trial, id }: { shown: Study; trial: Trial; id: string | null }) {
  const [detail, setDetail] = useState<Detail | null>(null);
  useEffect(() => {
    setDetail(null);
    if (id === null) return;
    let here = true;
    source.detail(id, trial.number).then((made) => here && setDetail(made), () => undefined);
    return () => { here = false; };
  }, [id, trial.number, trial.condition]);
  const ran = seconds(trial.started, trial.completed || new Date().toISOString());
  const labels = Object.entries(trial.labels);
  const last = shown.trials.length - 1;
  return (
    <div class="detail">
      <header>
        <h2>Trial {trial.number}</h2>
        <Mark condition={trial.condition} />
        <span class="grow" />
        {id !== null && <Stop trial={trial} id={id} runs={shown.runs} />}
        {id !== null && shown.completed === "" && <button type="button" onClick={() => { opened.value = null; point.value = textsOf(shown, trial); }}>enqueue alike</button>}
        <button type="button" disabled={trial.number <= 0} onClick={() => { opened.value = trial.number - 1; }}>previous</button>
        <button type="button" disabled={trial.number >= last} onClick={() => { opened.value = trial.number + 1; }}>next</button>
        <button type="button" onClick={() => { opened.value = null; }}>close</button>
      </header>
      <p class="soft"><Name of={trial.name} />{trial.attempt > 1 ? `, attempt ${trial.attempt}` : ""}{trial.slot === null ? "" : `, slot ${trial.slot + 1}`}
        {Number.isNaN(ran) ? "" : ` · ${duration(ran)}`}</p>
      {trial.reason && <p class="break"><Name of={trial.reason} longest={400} /></p>}
      <div class="columns">
        <table>
          <caption>Metrics</caption>
          <tbody>
            {shown.objective.metrics.map((name, i) => (
              <tr key={i}><th scope="row"><Name of={name} /></th><td class="number" title={trial.metrics[i] ?? ""}>{short(trial.metrics[i] || "–")}</td></tr>
            ))}
            {detail?.metrics.map((metric, i) => (
              <tr key={`m${i}`} class="soft"><th scope="row">{metric.reports} reports of <Name of={metric.name} /></th>
                <td title={`${metric.min} to ${metric.max}, last ${metric.latest}`}>{short(metric.min)} to {short(metric.max)}, last {short(metric.latest)}</td></tr>
            ))}
          </tbody>
        </table>
        <table>
          <caption>Parameters</caption>
          <tbody>
            {shown.parameters.map((parameter, i) => (
              <tr key={i}><th scope="row"><Name of={parameter.name} /></th>
                <td class="number" title={trial.values[i] ?? ""}><Name of={short(trial.values[i] ?? "–")} longest={30} /></td></tr>
            ))}
          </tbody>
        </table>
      </div>
      {trial.feasible === false && (
        <p class="warn">infeasible: {shown.objective.constraints.flatMap((each, i) => {
          const violated = trial.violations[i];
          return violated === 0 ? [] : [`${each.metric} must be ${each.atMost ? "at most" : "at least"} ${brief(each.bound)}`];
        }).join(", ")}</p>
      )}
      {labels.length > 0 && <p class="soft break">labels: {labels.map(([name, value]) => `${name}=${value}`).join(", ")}</p>}
      {trial.rules.length > 0 && (
        <p class="soft">stopped early if {trial.rules.map(([metric, value, comparison, start]) => `${metric} is ${comparison.toLowerCase()} than ${brief(value)} at report ${start}`).join(", or ")}</p>
      )}
      {detail?.command && (<><h3>Command <Copy text={detail.command} /></h3><pre tabIndex={0} aria-label="Command">{detail.command}</pre></>)}
      {id !== null && (<><h3>Output</h3><Printed id={id} trial={trial} /></>)}
      {id !== null && detail && <Left id={id} trial={trial} detail={detail} />}
    </div>
  );
}

/** What a trial has left: artifacts, which are kept, and what is still in its folder. */
function Left({ id, trial, detail }: { id: string; trial: Trial; detail: Detail }) {
  const { artifacts, files, pruned } = detail;
  return (
    <>
      {pruned && <p class="soft">Its artifacts were removed, since other trials are better.</p>}
      {artifacts.length > 0 && (
        <div class="scroll"><table>
          <caption>Artifacts</caption>
          <thead><tr><th scope="col">file</th><th scope="col">size</th><th scope="col">SHA-256</th></tr></thead>
          <tbody>{artifacts.map((each, i) => (
            <tr key={i}>
              <td><a href={source.left(id, trial.number, "artifacts", each.path)} download><Name of={each.path} /></a></td>
              <td class="number" title={`${each.bytes} bytes`}>{bytes(each.bytes)}</td>
              <td title={each.sha256}><code>{each.sha256.slice(0, 12)}</code> <Copy text={each.sha256} /></td>
            </tr>
          ))}</tbody>
        </table></div>
      )}
      {files.length > 0 && (
        <details><summary>{files.length} {files.length === 1 ? "file" : "files"}{artifacts.length ? " more" : ""} in its folder</summary>
          <ul>{files.map((each, i) => (
            <li key={i}><a href={source.left(id, trial.number, "files", each.path)} download><Name of={each.path} /></a> <span class="soft">{bytes(each.bytes)}</span></li>
          ))}</ul>
        </details>
      )}
    </>
  );
}

function Printed({ id, trial }: { id: string; trial: Trial }) {
  const [text, setText] = useState("");
  const [begins, setBegins] = useState(0);
  const [error, setError] = useState("");
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    let here = true;
    let timer = 0;
    let end: number | null = null;
    let attempt = trial.attempt;
    setText("");
    const read = async () => {
      try {
        const piece = await source.output(id, trial.number, end);
        if (!here) return;
        if (piece.attempt !== attempt) [end, attempt] = [null, piece.attempt];
        else {
          if (end === null) setBegins(piece.begin);
          const more = end !== null && piece.end > end;
          if (end === null || more) {
            const element = box.current;
            const atEnd = !element || element.scrollHeight - element.scrollTop - element.clientHeight < 40;
            setText((known) => (known + piece.text).slice(-LONGEST));
            if (atEnd) requestAnimationFrame(() => { if (box.current) box.current.scrollTop = box.current.scrollHeight; });
          }
          end = Math.max(piece.end, end ?? 0);
          setError(piece.error);
          if (!piece.active && !more) return;
        }
      } catch (trouble) {
        setError(String(trouble));
      }
      if (here) timer = window.setTimeout(read, 1000);
    };
    void read();
    return () => { here = false; window.clearTimeout(timer); };
  }, [id, trial.number, trial.attempt, ACTIVE.has(trial.condition)]);
  return (
    <>
      {error && <p class="soft">{error}</p>}
      {begins > 0 && <p class="soft">The first {bytes(begins)} are not shown; <code>suggest logs</code> prints all.</p>}
      <pre ref={box} class="output" tabIndex={0} aria-label="Output">{text || (ACTIVE.has(trial.condition) ? "Nothing is printed yet." : "Nothing was printed.")}</pre>
    </>
  );
}
