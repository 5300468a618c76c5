/** The choice of a vertical axis: linear or logarithmic, all values or most of them. */

import { useMemo, useState } from "preact/hooks";
import { brief } from "../numbers";
import { drawable, extent, robust } from "../study";
import { type Colours, type Option, upright } from "./chart";
import { clamped } from "./ends";

export interface Scale {
  log: boolean;
  /** Ends of the axis; null: all values are on it. */
  bulk: { min: number; max: number } | null;
}

export interface Choice {
  scale: Scale;
  buttons: preact.JSX.Element;
}

/** The choice for `values`, which are looked at once for as long as they are the same array. */
export function useScale(values: readonly number[]): Choice {
  const [wanted, setWanted] = useState<boolean | null>(null);
  const [most, setMost] = useState(false);
  const all = useMemo(() => extent(values), [values]);
  const positive = all.min > 0;
  const log = positive && (wanted ?? all.log);
  const bulk = useMemo(() => robust(log ? values.map(Math.log10) : values), [values, log]);
  const ends = bulk && log ? { min: 10 ** bulk.min, max: 10 ** bulk.max } : bulk;
  const { min, max } = most && ends ? ends : all;
  // Also where no zoom is asked for, an axis ends somewhere.
  const cut = !log && !(drawable(min) && drawable(max));
  return {
    scale: { log, bulk: cut ? clamped(min, max) : most ? ends : null },
    buttons: (
      <>
        <button
          type="button"
          aria-pressed={log}
          disabled={!positive}
          title={positive ? "" : "needs values above 0"}
          onClick={() => setWanted(!log)}
        >
          log
        </button>
        <button
          type="button"
          aria-pressed={most}
          disabled={!ends}
          title={ends ? "Leave out values far from all others" : "no value is far from the others"}
          onClick={() => setMost(!most)}
        >
          zoom to most
        </button>
      </>
    ),
  };
}

export function scaled(colour: Colours, name: string, scale: Scale): Option {
  return upright(colour, name + (scale.log ? " (log)" : ""), {
    type: scale.log ? "log" : "value",
    ...(scale.bulk ? { min: scale.bulk.min, max: scale.bulk.max } : {}),
    minorTick: { show: scale.log },
  });
}

/** A value at the edge of the axis if it is beyond. */
export function edge(scale: Scale, value: number): number {
  return scale.bulk ? Math.min(Math.max(value, scale.bulk.min), scale.bulk.max) : value;
}

export const beyond = (scale: Scale, value: number): boolean => edge(scale, value) !== value;

/** What is said of values beyond the axis: `how` says what becomes of them. */
export function cutNote(scale: Scale, values: readonly number[], [one, many]: readonly [string, string], how: string): string {
  const cut = values.filter((value) => Number.isFinite(value) && beyond(scale, value));
  if (!cut.length) return "";
  const { min, max } = extent(cut);
  const range = min === max ? brief(min) : `${brief(min)} to ${brief(max)}`;
  return `${cut.length} ${cut.length === 1 ? `${one} is` : `${many} are`} beyond the axis, ${range}: ${how}.`;
}

export const TRIALS = ["trial", "trials"] as const;
export const TRIANGLES = "triangles at its edge";
