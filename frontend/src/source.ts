/** Where experiments come from: the server, live, or the page itself. */

import { after } from "./study";
import type { Changes, Detail, Everything, Importance, Output, Summary } from "./types";

export const embedded: Everything | null = JSON.parse(
  document.getElementById("data")?.textContent ?? "null",
);

async function read<T>(answer: Response): Promise<T> {
  const text = await answer.text();
  // A refusal of the guard is no JSON.
  const content = answer.headers.get("Content-Type")?.startsWith("application/json") ? JSON.parse(text) : { error: text };
  if (!answer.ok) throw new Error(content.error || answer.statusText);
  return content;
}

/** An answer; a network that changes under a request, as when a laptop moves, is none of the server's. */
async function reached(path: string, attempts = 4): Promise<Response> {
  try {
    return await fetch(path);
  } catch (error) {
    if (attempts <= 1) throw error;
    await new Promise((done) => { window.setTimeout(done, 500); });
    return reached(path, attempts - 1);
  }
}

const get = async <T,>(path: string): Promise<T> => read(await reached(`api/experiments${path}`));

const post = async <T,>(path: string, content: object): Promise<T> => read(await fetch(`api/experiments${path}`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
}));

/** Ask the runner for something; returns its answer, in words. */
export const ask = async (id: string, content: { action: string } & Record<string, unknown>): Promise<string> =>
  (await post<{ text: string }>(`/${id}/requests`, content)).text;

export interface Point {
  /** Parameters without a meaning for these values. */
  inactive: string[];
  /** What is wrong, by parameter; that of the whole by an empty name. */
  errors: Record<string, string>;
}

/** What is known of a point while it is typed. */
export const point = (id: string, assignment: Record<string, string>): Promise<Point> => post(`/${id}/point`, { assignment });

export const list = async (): Promise<Summary[]> =>
  (await get<{ experiments: Summary[] }>("")).experiments;

export const importance = (id: string): Promise<Importance> => get(`/${id}/importance`);

export const detail = (id: string, trial: number): Promise<Detail> => get(`/${id}/trials/${trial}`);

export const output = (id: string, trial: number, from: number | null): Promise<Output> =>
  get(`/${id}/trials/${trial}/output${from === null ? "" : `?after=${from}`}`);

export const servers = async (id: string): Promise<{ name: string; text: string }[]> =>
  (await get<{ servers: { name: string; text: string }[] }>(`/${id}/servers`)).servers;

export const file = (id: string, name: string): string => `api/experiments/${id}/${name}`;

/** Where a file that a trial has left is downloaded. */
export const left = (id: string, trial: number, kind: "artifacts" | "files", path: string): string =>
  file(id, `trials/${trial}/${kind}?path=${encodeURIComponent(path)}`);

export interface Watching {
  changed: (everything: Everything) => void;
  trouble: (text: string) => void;
}

/** Follow an experiment; the function that is returned ends that. */
export function watch(id: string, watching: Watching): () => void {
  let known: Everything | null = null;
  let due = 0;
  const tell = () => {
    due = 0;
    if (known) watching.changed(known);
  };
  // Many changes at once are drawn once.
  const soon = () => {
    if (!due) due = window.setTimeout(tell, 100);
  };
  const events = new EventSource(`api/experiments/${id}/changes`);
  events.addEventListener("everything", (event: MessageEvent<string>) => {
    known = JSON.parse(event.data) as Everything;
    watching.trouble("");
    tell();
  });
  events.addEventListener("changes", (event: MessageEvent<string>) => {
    if (known) known = after(known, JSON.parse(event.data) as Changes);
    soon();
  });
  events.addEventListener("trouble", (event: MessageEvent<string>) => {
    watching.trouble((JSON.parse(event.data) as { error: string }).error);
  });
  events.onerror = () => {
    watching.trouble("The server cannot be reached; trying again.");
    if (events.readyState === EventSource.CLOSED) {
      // An answer that is no stream, and the browser does not try again by itself: the experiment is not there, or
      // the server is another one, with another token.
      list().then(() => "There is no such experiment.", (error: Error) => error.message).then(watching.trouble);
    }
  };
  return () => {
    events.close();
    window.clearTimeout(due);
  };
}
