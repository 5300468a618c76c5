/** What the server sends: suggestion/views/web/document.py writes it. */

export interface Parameter {
  name: string;
  type: "double" | "int" | "discrete" | "categorical";
  list: string[] | null;
  log: boolean;
  min: number | null;
  max: number | null;
  /** As in the file; null without one. */
  step: string | null;
}

export interface Named {
  name: string;
  settings: Record<string, string>;
}

export type Condition =
  | "Created"
  | "Running"
  | "Succeeded"
  | "Killed"
  | "Failed"
  | "MetricsUnavailable"
  | "EarlyStopped";

export interface Trial {
  number: number;
  name: string;
  condition: Condition;
  reason: string;
  attempt: number;
  slot: number | null;
  started: string;
  completed: string;
  metrics: string[];
  reports: number;
  values: (string | null)[];
  labels: Record<string, string>;
  /** Metric, value, comparison, start step. */
  rules: [string, number, string, number][];
  /** By how much each constraint is violated, as a share of its bound; null where its metric is lacking. */
  violations: (number | null)[];
  /** null: it cannot be judged, or not yet. */
  feasible: boolean | null;
}

export interface Constraint {
  metric: string;
  atMost: boolean;
  bound: number;
  strict: boolean;
}

export type Curve = [number, number][];

export interface Head {
  condition: { type: string; reason: string; message: string };
  limits: { parallel: number; trials: number | null; failures: number | null };
  started: string;
  completed: string;
  runs: boolean;
  paused: boolean;
  /** That ran it last; empty if it is not known. */
  command: string;
}

/** What an experiment is; users can change its limits while it runs. */
export interface Declared {
  name: string;
  place: string;
  /** The same for experiments whose files differ in name, seed and length alone. */
  digest: string;
  algorithm: Named;
  earlyStopping: Named | null;
  objective: {
    metric: string; maximize: boolean; goal: number | null; metrics: string[];
    /** All of them, the main one first. */
    objectives: { metric: string; maximize: boolean }[];
    constraints: Constraint[];
  };
  parameters: Parameter[];
  /** Fields that users have changed, with the value in the file and the present one. */
  changed: { field: string; file: number | null; now: number | null }[];
  /** The Experiment as YAML, as it is now. */
  file: string;
}

export interface Changes extends Head, Partial<Declared> {
  trials: Trial[];
  /** By number of the trial; an empty one is not shown any more. */
  curves: Record<string, Curve>;
  curvesLeftOut: number;
  /** Number of the best trial: feasible if one is, else the least violated one. */
  best: number | null;
  /** Numbers of the trials that are the trade-off of several objectives. */
  front: number[] | null;
}

export interface Everything extends Omit<Changes, keyof Declared>, Declared {
  importance?: Importance;
}

export interface Importance {
  error?: string;
  parameters?: { name: string; mean: number; deviation: number }[];
  explained?: number;
  trials?: number;
}

export interface Summary {
  id: string;
  place: string;
  changed: number;
  runs: boolean;
  name: string;
  error: string;
  condition?: string;
  message?: string;
  algorithm?: string;
  metric?: string;
  best?: string;
  ended?: number;
  failed?: number;
  running?: number;
  limit?: number | null;
  done?: boolean;
  paused?: boolean;
}

export interface Detail {
  command: string;
  /** Kept, with the checksum of their content. */
  artifacts: { path: string; bytes: number; sha256: string }[];
  /** Whether its artifacts were removed, since other trials are better. */
  pruned: boolean;
  /** Still in its folder. */
  files: { path: string; bytes: number }[];
  metrics: { name: string; min: string; max: string; latest: string; reports: number }[];
}

export interface Output {
  text: string;
  begin: number;
  end: number;
  error: string;
  attempt: number;
  active: boolean;
}
