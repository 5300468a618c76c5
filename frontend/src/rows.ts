/** When trials ran, in as few rows as they overlap. */

import type { Study } from "./study";

export interface Bar {
  number: number;
  slot: number;
  begin: number;
  end: number;
}

/** Trials in as few rows as they overlap; slots are forgotten when a trial ends. */
export function rows(shown: Study, now: number): Bar[] {
  const bars = shown.trials.flatMap((trial) => {
    const begin = Date.parse(trial.started);
    if (Number.isNaN(begin)) return [];
    const end = trial.completed ? Date.parse(trial.completed) : now;
    return [{ number: trial.number, slot: -1, begin, end: Math.max(end, begin) }];
  });
  bars.sort((a, b) => a.begin - b.begin);
  // In order of their ends, trials give their rows to those that begin later.
  const ending = bars.toSorted((a, b) => a.end - b.end);
  const free: number[] = [];
  let ended = 0;
  let count = 0;
  for (const bar of bars) {
    for (let next = ending[ended]; next && next !== bar && next.slot >= 0 && next.end <= bar.begin; next = ending[++ended]) free.push(next.slot);
    bar.slot = free.pop() ?? count++;
  }
  return bars;
}
