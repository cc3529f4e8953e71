// What the page asks the server: who may do what, what is to be seen, and what is to be done.

let csrf = null;

async function asked(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  const text = await answer.text();
  const data = text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : null;
  if (!answer.ok) {
    const error = new Error(data?.error ?? `the server answered ${answer.status}`);
    error.status = answer.status;
    throw error;
  }
  return data;
}

/** What whoever looks may do. */
export async function session() {
  const said = await asked("api/session");
  csrf = said.csrf;
  return said;
}

export function signIn(token) {
  return act("sign-in", { token });
}

/** Has something done. */
export function act(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  return asked(`api/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

/**
 * Keeps what is seen up to date. `on` has a function for each kind of event, and `lost(error)`.
 * Returns a function that ends it.
 */
export function live(query, on) {
  const source = new EventSource(`api/live?${new URLSearchParams(query)}`);
  for (const kind of ["overview", "rooms", "room", "gone", "silent"]) {
    source.addEventListener(kind, (event) => on[kind]?.(JSON.parse(event.data)));
  }
  source.onerror = () => on.lost(source.readyState === EventSource.CLOSED);
  return () => source.close();
}
