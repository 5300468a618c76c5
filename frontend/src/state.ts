/** What views share: which trials are selected, and which one is open. */

import { signal } from "@preact/signals";

/** Numbers of the selected trials; null: nothing is selected, so all count. */
export const selected = signal<ReadonlySet<number> | null>(null);
/** In which view they were selected, which shows it in its own way. */
export const selectedIn = signal("");
/** Number of the trial whose details are open. */
export const opened = signal<number | null>(null);
/** Changes when the colours of the page do. */
export const dark = signal(matchMedia("(prefers-color-scheme: dark)").matches);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  dark.value = event.matches;
});

/** The selected trials, as most views show them. */
export const chosen = (): ReadonlySet<number> | null => selected.value;

export function select(numbers: Iterable<number> | null, where: string): void {
  const chosen = numbers === null ? null : new Set(numbers);
  selectedIn.value = where;
  selected.value = chosen?.size ? chosen : null;
}

export function toggle(number: number, where: string): void {
  const chosen = new Set(selected.value ?? []);
  if (!chosen.delete(number)) chosen.add(number);
  select(chosen, where);
}
