/** The trials as a table; only the rows that are seen are in the document. */

import { useComputed } from "@preact/signals";
import { useMemo, useRef, useState } from "preact/hooks";
import { type Column, columns, filter, sorted } from "./columns";
import { clip, numberOf, short } from "./numbers";
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

export function Table({ shown }: { shown: Study }) {
  const all = columns(shown);
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<{ key: string; down: boolean }>({ key: "number", down: true });
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set(["reason"]));
  const [only, setOnly] = useState(false);
  const [top, setTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const some = useComputed(() => selected.value !== null).value;

  // A selection moves with each brush: ten thousand rows are sorted once for all of them.
  const listed = useMemo(() => {
    const found = shown.trials.filter(filter(all, search));
    const by = all.find((column) => column.key === order.key) ?? all[0];
    return by ? sorted(found, by, order.down) : found;
  }, [shown, search, order]);
  const wanted = only ? selected.value : null;
  const rows = useMemo(() => (wanted ? listed.filter((trial) => wanted.has(trial.number)) : listed), [listed, wanted]);

  const visible = all.filter((column) => !hidden.has(column.key));
  const height = 420;
  const begin = Math.max(Math.floor(top / ROW) - 6, 0);
  const end = Math.min(begin + Math.ceil(height / ROW) + 12, rows.length);

  const keys = (event: KeyboardEvent, place: number, trial: Trial) => {
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === " ") toggle(trial.number, WHERE);
    // Where only selected rows are listed, the next one takes the place of this one.
    if (move !== undefined || (event.key === " " && only)) {
      const next = Math.min(Math.max(place + (move ?? 0), 0), rows.length - 1);
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
        if (move === undefined || !focus()) requestAnimationFrame(() => requestAnimationFrame(focus));
      }
    } else if (event.key === "Enter") opened.value = trial.number;
    else if (event.key !== " ") return;
    event.preventDefault();
  };

  return (
    <div class="table">
      <div class="bar">
        <label class="grow">
          <span class="hidden">Search</span>
          <input
            type="search" value={search} placeholder='search, or lr<0.01 kind="a b"'
            onInput={(event) => { setSearch(event.currentTarget.value); setTop(0); if (box.current) box.current.scrollTop = 0; }}
          />
        </label>
        <span role="status">{rows.length === shown.trials.length ? `${rows.length} trials` : `${rows.length} of ${shown.trials.length} trials`}</span>
        <button type="button" aria-pressed={only} disabled={!some} onClick={() => setOnly(!only)}>only selected</button>
        <button type="button" disabled={!rows.length} onClick={() => select(rows.map((trial) => trial.number), WHERE)}>select these</button>
        <details class="menu">
          <summary>columns</summary>
          <div>
            {all.map((column) => (
              <label key={column.key}>
                <input
                  type="checkbox" checked={!hidden.has(column.key)}
                  onChange={() => { const next = new Set(hidden); if (!next.delete(column.key)) next.add(column.key); setHidden(next); }}
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
              {visible.map((column) => {
                const active = order.key === column.key;
                return (
                  <th key={column.key} scope="col" aria-sort={active ? (order.down ? "descending" : "ascending") : "none"}>
                    <button type="button" title={column.name} onClick={() => setOrder({ key: column.key, down: active && !order.down })}>
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
              <Row key={trial.number} trial={trial} place={begin + i} best={trial.number === shown.best?.number} columns={visible}
                keys={(event) => keys(event, begin + i, trial)} />
            ))}
            {end < rows.length && <tr style={{ height: `${(rows.length - end) * ROW}px` }} aria-hidden="true"><td colSpan={visible.length + 1} /></tr>}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** A trial; when it becomes selected, it is drawn again without the others. */
function Row({ trial, place, best, columns, keys }: {
  trial: Trial; place: number; best: boolean; columns: readonly Column[]; keys: (event: KeyboardEvent) => void;
}) {
  const { number } = trial;
  const chosen = useComputed(() => selected.value?.has(number) ?? false).value;
  return (
    <tr
      data-place={place} data-trial={number} tabIndex={0} aria-rowindex={place + 2} class={`${chosen ? "selected" : ""} ${best ? "best" : ""}`}
      onKeyDown={keys} onClick={() => { opened.value = number; }}
    >
      <td>
        <input
          type="checkbox" tabIndex={-1} aria-label={`Select trial ${number}`} checked={chosen}
          onClick={(event) => event.stopPropagation()} onChange={() => toggle(number, WHERE)}
        />
      </td>
      {columns.map((column) => {
        const text = column.text(trial);
        return (
          <td key={column.key} title={text} class={Number.isNaN(numberOf(text)) ? "" : "number"}>
            {column.key === "condition" ? <Mark condition={trial.condition} /> : <bdi>{clip(short(text), column.wide ? 36 : 22)}</bdi>}
          </td>
        );
      })}
    </tr>
  );
}
