/** The columns of the table of trials; searching and sorting by them. */

import { compared, numberOf, seconds } from "./numbers";
import type { Study } from "./study";
import type { Trial } from "./types";

export interface Column {
  /** Unique, whatever metrics and parameters are called. */
  key: string;
  name: string;
  text: (trial: Trial) => string;
  wide?: boolean;
}

export function columns(shown: Study): Column[] {
  return [
    { key: "number", name: "#", text: (trial) => String(trial.number) },
    { key: "trial", name: "trial", text: (trial) => trial.name, wide: true },
    { key: "condition", name: "condition", text: (trial) => trial.condition },
    ...shown.objective.metrics.map((name, i) => ({ key: `metric ${i}`, name, text: (trial: Trial) => trial.metrics[i] ?? "" })),
    ...shown.parameters.map(({ name }, i) => ({ key: `parameter ${i}`, name, text: (trial: Trial) => trial.values[i] ?? "" })),
    ...(shown.objective.constraints.length ? [{ key: "feasible", name: "feasible", text: (trial: Trial) => (trial.feasible === null ? "" : trial.feasible ? "yes" : "no") }] : []),
    { key: "seconds", name: "seconds", text: (trial) => { const s = seconds(trial.started, trial.completed); return Number.isNaN(s) ? "" : String(s); } },
    { key: "reports", name: "reports", text: (trial) => String(trial.reports) },
    { key: "reason", name: "reason", text: (trial) => trial.reason, wide: true },
  ];
}

/** A word of a search: what is in quotes may have spaces; \" is a quote in it, \\ a backslash. The last quote may be missing. */
const WORD = /(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^\s"])+/g;
/** A comparison; a sign in quotes is none. */
const TERM = /^((?:"(?:[^"\\]|\\.)*"|[^"])+?)(<=|>=|!=|=|<|>)(.*)$/;

function unquoted(text: string): string {
  return text.replace(/"((?:[^"\\]|\\.)*)(?:"|\\?$)/g, (_, inside: string) => inside.replace(/\\(["\\])/g, "$1"));
}

/** What the search means: words that a row has, or comparisons such as lr<0.1. */
export function filter(known: readonly Column[], search: string): (trial: Trial) => boolean {
  const tests = (search.match(WORD) ?? []).map((word): ((trial: Trial) => boolean) => {
    const [, name = "", operator, wanted] = TERM.exec(word) ?? [];
    // A parameter may have the name of another column: it is enough that one of them fits.
    const named = known.filter((column) => column.name === unquoted(name));
    if (named.length && operator !== undefined && wanted !== undefined) {
      const fits = comparison(operator, wanted);
      return operator === "!="
        ? (trial) => named.every((column) => fits(column.text(trial)))
        : (trial) => named.some((column) => fits(column.text(trial)));
    }
    const low = unquoted(word).toLowerCase();
    return (trial) => known.some((column) => column.text(trial).toLowerCase().includes(low));
  });
  return (trial) => tests.every((test) => test(trial));
}

function comparison(operator: string, word: string): (text: string) => boolean {
  const wanted = unquoted(word);
  const exact = wanted !== word || Number.isNaN(numberOf(wanted));
  const same = (text: string) => (exact ? text === wanted : compared(text, wanted) === 0);
  switch (operator) {
    case "=": return same;
    case "!=": return (text) => !same(text);
    case "<": return (text) => compared(text, wanted) < 0;
    case "<=": return (text) => compared(text, wanted) <= 0;
    case ">": return (text) => compared(text, wanted) > 0;
    default: return (text) => compared(text, wanted) >= 0;
  }
}

/** Trials by a column: numbers by their value, before other texts; trials without a text last. */
export function sorted(trials: readonly Trial[], column: Column, down: boolean): Trial[] {
  const keyed = trials.map((trial) => {
    const text = column.text(trial);
    return { trial, text, value: numberOf(text) };
  });
  const sign = down ? -1 : 1;
  keyed.sort((a, b) => {
    const [empty, other] = [a.text === "", b.text === ""];
    if (empty || other) return Number(empty) - Number(other);
    const [number, and] = [!Number.isNaN(a.value), !Number.isNaN(b.value)];
    if (number !== and) return number ? -1 : 1;
    return sign * (number ? a.value - b.value || compared(a.text, b.text) : a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
  });
  return keyed.map(({ trial }) => trial);
}
