/** The trials as a table; only the rows that are seen are in the document. */

import { useMemo, useRef, useState } from "preact/hooks";
import { clip, numberOf, seconds, short } from "./numbers";
import { opened, select, selected, toggle } from "./state";
import type { Study } from "./study";
import type { Trial } from "./types";

const ROW = 32;
const WHERE = "table";
const MARKS: Record<string, string> = {
  Created: "○", Running: "▶", Succeeded: "✓", Failed: "✕", EarlyStopped: "■", MetricsUnavailable: "?", Killed: "✕",
};

export function Mark({ condition }: { condition: string }) {
  return <span class={`mark ${condition}`}><span aria-hidden="true">{MARKS[condition] ?? "·"}</span> {condition}</span>;
}

interface Column {
  name: string;
  text: (trial: Trial) => string;
  wide?: boolean;
}

function columns(shown: Study): Column[] {
  return [
    { name: "#", text: (trial) => String(trial.number) },
    { name: "trial", text: (trial) => trial.name, wide: true },
    { name: "condition", text: (trial) => trial.condition },
    ...shown.objective.metrics.map((name, i) => ({ name, text: (trial: Trial) => trial.metrics[i] ?? "" })),
    ...shown.parameters.map((parameter, i) => ({ name: parameter.name, text: (trial: Trial) => trial.values[i] ?? "" })),
    { name: "seconds", text: (trial) => { const s = seconds(trial.started, trial.completed); return Number.isNaN(s) ? "" : String(s); } },
    { name: "reports", text: (trial) => String(trial.reports) },
    { name: "reason", text: (trial) => trial.reason, wide: true },
  ];
}

const TERM = /^(.+?)(<=|>=|!=|=|<|>)(.*)$/;

/** What the search means: words that a row has, or comparisons such as lr<0.1. */
export function filter(shown: Study, search: string): (trial: Trial) => boolean {
  const known = columns(shown);
  const tests = search.split(/\s+/).filter(Boolean).map((word): ((trial: Trial) => boolean) => {
    const [, name, operator, wanted] = TERM.exec(word) ?? [];
    const column = known.find((other) => other.name === name);
    if (column && operator !== undefined && wanted !== undefined) {
      const number = numberOf(wanted);
      return (trial) => {
        const text = column.text(trial);
        const value = numberOf(text);
        const same = Number.isNaN(number) ? text === wanted : value === number;
        switch (operator) {
          case "=": return same;
          case "!=": return !same;
          case "<": return value < number;
          case "<=": return value <= number;
          case ">": return value > number;
          default: return value >= number;
        }
      };
    }
    const low = word.toLowerCase();
    return (trial) => known.some((other) => other.text(trial).toLowerCase().includes(low));
  });
  return (trial) => tests.every((test) => test(trial));
}

function sorted(trials: Trial[], column: Column, down: boolean): Trial[] {
  const keyed = trials.map((trial) => {
    const text = column.text(trial);
    return { trial, text, value: numberOf(text) };
  });
  const sign = down ? -1 : 1;
  keyed.sort((a, b) => {
    const [empty, other] = [a.text === "", b.text === ""];
    if (empty || other) return Number(empty) - Number(other);
    const numbers = !Number.isNaN(a.value) && !Number.isNaN(b.value);
    return sign * (numbers ? a.value - b.value : a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
  });
  return keyed.map(({ trial }) => trial);
}

export function Table({ shown }: { shown: Study }) {
  const all = columns(shown);
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<{ name: string; down: boolean }>({ name: "#", down: true });
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set(["reason"]));
  const [only, setOnly] = useState(false);
  const [top, setTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const chosen = selected.value;

  const rows = useMemo(() => {
    let found = shown.trials.filter(filter(shown, search));
    if (only && chosen) found = found.filter((trial) => chosen.has(trial.number));
    const by = all.find((column) => column.name === order.name) ?? all[0];
    return by ? sorted(found, by, order.down) : found;
  }, [shown, search, order, only, chosen]);

  const visible = all.filter((column) => !hidden.has(column.name));
  const height = 420;
  const begin = Math.max(Math.floor(top / ROW) - 6, 0);
  const end = Math.min(begin + Math.ceil(height / ROW) + 12, rows.length);

  const keys = (event: KeyboardEvent, place: number, trial: Trial) => {
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (move !== undefined) {
      const next = Math.min(Math.max(place + move, 0), rows.length - 1);
      const element = box.current;
      if (element) {
        if (next * ROW < element.scrollTop) element.scrollTop = next * ROW;
        if ((next + 3) * ROW > element.scrollTop + height) element.scrollTop = (next + 3) * ROW - height;
        const focus = () => {
          const row = element.querySelector<HTMLElement>(`tr[data-place="${next}"]`);
          row?.focus({ preventScroll: true });
          return row !== null;
        };
        // Rows just beyond the edge are in the document already; others are once it is drawn.
        if (!focus()) requestAnimationFrame(() => requestAnimationFrame(focus));
      }
    } else if (event.key === "Enter") opened.value = trial.number;
    else if (event.key === " ") toggle(trial.number, WHERE);
    else return;
    event.preventDefault();
  };

  return (
    <div class="table">
      <div class="bar">
        <label class="grow">
          <span class="hidden">Search</span>
          <input
            type="search" value={search} placeholder="search, or lr<0.01 condition=Failed"
            onInput={(event) => { setSearch(event.currentTarget.value); setTop(0); if (box.current) box.current.scrollTop = 0; }}
          />
        </label>
        <span role="status">{rows.length === shown.trials.length ? `${rows.length} trials` : `${rows.length} of ${shown.trials.length} trials`}</span>
        <button type="button" aria-pressed={only} disabled={!chosen} onClick={() => setOnly(!only)}>only selected</button>
        <button type="button" disabled={!rows.length} onClick={() => select(rows.map((trial) => trial.number), WHERE)}>select these</button>
        <details class="menu">
          <summary>columns</summary>
          <div>
            {all.map((column, i) => (
              <label key={i}>
                <input
                  type="checkbox" checked={!hidden.has(column.name)}
                  onChange={() => { const next = new Set(hidden); if (!next.delete(column.name)) next.add(column.name); setHidden(next); }}
                />{" "}
                {clip(column.name)}
              </label>
            ))}
          </div>
        </details>
      </div>
      <div
        ref={box} class="scroll" tabIndex={0} role="region" aria-label="Table of trials" style={{ maxHeight: `${height}px` }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col"><span class="hidden">selected</span></th>
              {visible.map((column, i) => {
                const active = order.name === column.name;
                return (
                  <th key={i} scope="col" aria-sort={active ? (order.down ? "descending" : "ascending") : "none"}>
                    <button type="button" title={column.name} onClick={() => setOrder({ name: column.name, down: active && !order.down })}>
                      {clip(column.name, 20)}<span aria-hidden="true">{active ? (order.down ? " ↓" : " ↑") : ""}</span>
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {begin > 0 && <tr style={{ height: `${begin * ROW}px` }} aria-hidden="true"><td colSpan={visible.length + 1} /></tr>}
            {rows.slice(begin, end).map((trial, i) => (
              <tr
                key={trial.number} data-place={begin + i} data-trial={trial.number} tabIndex={0} aria-rowindex={begin + i + 2}
                class={`${chosen?.has(trial.number) ? "selected" : ""} ${trial.number === shown.best?.number ? "best" : ""}`}
                onKeyDown={(event) => keys(event, begin + i, trial)}
                onClick={() => { opened.value = trial.number; }}
              >
                <td>
                  <input
                    type="checkbox" tabIndex={-1} aria-label={`Select trial ${trial.number}`} checked={chosen?.has(trial.number) ?? false}
                    onClick={(event) => event.stopPropagation()} onChange={() => toggle(trial.number, WHERE)}
                  />
                </td>
                {visible.map((column, j) => {
                  const text = column.text(trial);
                  return (
                    <td key={j} title={text} class={Number.isNaN(numberOf(text)) ? "" : "number"}>
                      {column.name === "condition" ? <Mark condition={trial.condition} /> : <bdi>{clip(short(text), column.wide ? 36 : 22)}</bdi>}
                    </td>
                  );
                })}
              </tr>
            ))}
            {end < rows.length && <tr style={{ height: `${(rows.length - end) * ROW}px` }} aria-hidden="true"><td colSpan={visible.length + 1} /></tr>}
          </tbody>
        </table>
      </div>
    </div>
  );
}
