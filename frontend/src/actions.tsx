/** What can be asked of a running experiment, each confirmed: pause, limits, a point, the end of a trial. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { clip } from "./numbers";
import { Name } from "./name";
import * as source from "./source";
import { ACTIVE, type Study } from "./study";
import type { Parameter, Trial } from "./types";

/** The texts with which the form of a point opens; null: it is closed. */
export const point = signal<Record<string, string> | null>(null);

/** A question; what is sent is answered by the runner, in words. */
function Question({ title, send, say, closed, ready = true, children }: {
  title: string;
  /** On the button. */
  say: string;
  send: () => Promise<string>;
  closed: () => void;
  ready?: boolean;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [answer, setAnswer] = useState("");
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const confirm = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setTrouble("");
    try {
      setAnswer(await send());
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <dialog ref={dialog} class="question" aria-label={title} onClose={closed}>
      <form onSubmit={confirm}>
        <h2>{title}</h2>
        {answer ? <p role="status" class="break">{answer}</p> : children}
        {trouble && <p role="alert" class="break lines">{trouble}</p>}
        <p class="bar">
          {!answer && <button type="submit" class="strong" disabled={busy || !ready}>{busy ? "asking…" : say}</button>}
          <button type="button" onClick={() => dialog.current?.close()}>{answer ? "close" : "cancel"}</button>
        </p>
      </form>
    </dialog>
  );
}

type Open = "" | "pause" | "resume" | "limits";

/** The buttons of an experiment that is not at its end. */
export function Actions({ shown, id }: { shown: Study; id: string }) {
  const [open, setOpen] = useState<Open>("");
  const closed = () => setOpen("");
  if (shown.completed !== "" && !open && point.value === null) return null;
  const going = shown.paused ? "resume" : "pause";
  return (
    <div class="bar">
      {(shown.runs || shown.paused) && <button type="button" onClick={() => setOpen(going)}>{going}</button>}
      {shown.runs && <button type="button" onClick={() => setOpen("limits")}>change limits</button>}
      <button type="button" onClick={() => { point.value = {}; }}>enqueue a point</button>
      {/* What was asked for stays, when the experiment is paused meanwhile. */}
      {(open === "pause" || open === "resume") && (
        <Question title={open === "resume" ? "Resume the experiment" : "Pause the experiment"} say={open} closed={closed} send={() => source.ask(id, { action: open })}>
          <p>{open === "resume" ? "Trials begin again." : "Running trials go on, and no other begins until you resume it. A pause outlives the runner."}</p>
        </Question>
      )}
      {open === "limits" && <Limits shown={shown} id={id} closed={closed} />}
      {point.value !== null && <PointForm shown={shown} id={id} first={point.value} closed={() => { point.value = null; }} />}
    </div>
  );
}

function Limits({ shown, id, closed }: { shown: Study; id: string; closed: () => void }) {
  const [trials, setTrials] = useState(shown.limits.trials === null ? "" : String(shown.limits.trials));
  const [parallel, setParallel] = useState(String(shown.limits.parallel));
  const changed: Record<string, number> = {};
  if (trials !== "" && Number(trials) !== shown.limits.trials) changed["trials"] = Number(trials);
  if (parallel !== "" && Number(parallel) !== shown.limits.parallel) changed["parallel"] = Number(parallel);
  const number = (label: string, value: string, set: (text: string) => void) => (
    <label class="field"><span>{label}</span>
      <input type="number" min={1} step={1} value={value} onInput={(event) => set(event.currentTarget.value)} /></label>
  );
  return (
    <Question title="Change limits" say="change" closed={closed} ready={Object.keys(changed).length > 0} send={() => source.ask(id, { action: "set", ...changed })}>
      {number("maxTrialCount, trials in all", trials, setTrials)}
      {number("parallelTrialCount, trials at a time", parallel, setParallel)}
      <p class="soft">{shown.trials.length} trials are made. Fewer at a time: running ones go on to their end.</p>
    </Question>
  );
}

/** The button that stops a trial. */
export function Stop({ trial, id, runs }: { trial: Trial; id: string; runs: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      {runs && ACTIVE.has(trial.condition) && <button type="button" onClick={() => setOpen(true)}>stop</button>}
      {open && (
        <Question title={`Stop trial ${trial.number}`} say={`stop trial ${trial.number}`} closed={() => setOpen(false)} send={() => source.ask(id, { action: "stop", trial: trial.number })}>
          <p><Name of={trial.name} /> ends as Killed, and does not run again. The other trials go on.</p>
        </Question>
      )}
    </>
  );
}

function PointForm({ shown, id, first, closed }: { shown: Study; id: string; first: Record<string, string>; closed: () => void }) {
  const [texts, setTexts] = useState(first);
  const [found, setFound] = useState<source.Point>({ inactive: [], errors: {} });
  const [trouble, setTrouble] = useState("");
  const inactive = new Set(found.inactive);
  const given = Object.fromEntries(Object.entries(texts).filter(([name, text]) => text !== "" && !inactive.has(name)));
  useEffect(() => {
    let here = true;
    const timer = window.setTimeout(() => {
      const all = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ""));
      source.point(id, all).then(
        (made) => { if (here) { setFound(made); setTrouble(""); } },
        (error: Error) => here && setTrouble(error.message),
      );
    }, 150);
    return () => { here = false; window.clearTimeout(timer); };
  }, [texts, id]);
  const next = shown.trials.length;
  const wrong = (name: string) => (texts[name] ? found.errors[name] : undefined);
  return (
    <Question title="Enqueue a point" say="enqueue" closed={closed} ready={!shown.parameters.some(({ name }) => !inactive.has(name) && (!texts[name] || found.errors[name]))}
      send={() => source.ask(id, { action: "enqueue", assignment: given })}>
      <p class="soft">It takes the next number, {next} or later, and is tried before the algorithm is asked again.</p>
      {shown.best && <p><button type="button" onClick={() => setTexts(textsOf(shown, shown.best))}>values of the best trial</button></p>}
      {shown.parameters.map((parameter, i) => (
        <Field key={i} id={`point-${i}`} parameter={parameter} text={texts[parameter.name] ?? ""} inactive={inactive.has(parameter.name)}
          wrong={inactive.has(parameter.name) ? undefined : wrong(parameter.name)} set={(text) => setTexts({ ...texts, [parameter.name]: text })} />
      ))}
      {found.errors[""] && <p role="alert" class="break">The point {found.errors[""]}</p>}
      {trouble && <p role="alert" class="break">{trouble}</p>}
    </Question>
  );
}

/** The values of a trial, as the form takes them. */
export function textsOf(shown: Study, trial: Trial | null): Record<string, string> {
  return Object.fromEntries(shown.parameters.flatMap(({ name }, i) => {
    const text = trial?.values[i] ?? null;
    return text === null ? [] : [[name, text]];
  }));
}

function Field({ id, parameter, text, inactive, wrong, set }: {
  id: string; parameter: Parameter; text: string; inactive: boolean; wrong: string | undefined; set: (text: string) => void;
}) {
  const { list, min, max, step } = parameter;
  const range = list ? "" : `${min} to ${max}${step ? ` in steps of ${step}` : ""}${parameter.log ? ", logarithmic" : ""}`;
  const shared = { id, disabled: inactive, "aria-invalid": wrong !== undefined, "aria-describedby": `${id}-help` };
  return (
    <div class="field">
      <label for={id}><Name of={parameter.name} /></label>
      {list ? (
        <select {...shared} value={text} onChange={(event) => set(event.currentTarget.value)}>
          <option value="">–</option>
          {list.map((value, i) => <option key={i} value={value}>{clip(value, 60)}</option>)}
        </select>
      ) : <input {...shared} type="text" inputMode="decimal" autocomplete="off" value={text} onInput={(event) => set(event.currentTarget.value)} />}
      <span id={`${id}-help`} class={wrong ? "warn break" : "soft"}>{inactive ? "inactive with these values" : wrong ?? range}</span>
    </div>
  );
}
