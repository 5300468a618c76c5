/** A text of a user: as text, in its own direction, of a length that leaves room for others. */

import { clip } from "./numbers";

const TITLE = 2000;

export function Name({ of, longest = 80 }: { of: string; longest?: number }) {
  const shown = clip(of, longest);
  return shown === of ? <bdi class="break">{of}</bdi> : <bdi class="break" title={of.slice(0, TITLE)}>{shown}</bdi>;
}
