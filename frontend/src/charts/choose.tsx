/** The choice of what an axis shows. */

import { clip } from "../numbers";

export function Choose({ label, names, value, set }: {
  label: string;
  names: readonly string[];
  /** Index of the chosen name. */
  value: number;
  set: (i: number) => void;
}) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => set(Number(event.currentTarget.value))}>
        {names.map((name, i) => <option key={i} value={i}>{clip(name)}</option>)}
      </select>
    </label>
  );
}
