// Typed events, as callbacks, promises and async iterators.

import { RelayError } from "./errors.js";

type Listener = (event: never) => void;

/** Something that happens, again and again. */
export class Emitter<Events extends object> {
  #listeners = new Map<keyof Events, Set<Listener>>();
  #enders = new Set<() => void>();

  /** Calls `listener` whenever it happens. Returns what ends that; so does `signal`. */
  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void, options: { signal?: AbortSignal } = {}): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener as Listener));
    const off = () => void listeners.delete(listener as Listener);
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  /** The next time that it happens (and `test` says yes). Rejects when the client is closed before. */
  once<K extends keyof Events>(type: K, test: (event: Events[K]) => boolean = () => true): Promise<Events[K]> {
    return new Promise((resolve, reject) => {
      const end = () => {
        off();
        reject(new RelayError("CLOSED", `The client was closed before \`${String(type)}\` happened`));
      };
      const off = this.on(type, (event) => {
        if (!test(event)) return;
        off();
        this.#enders.delete(end);
        resolve(event);
      });
      this.#enders.add(end);
    });
  }

  /**
   * Every time that it happens, for `for await`. Ends with the client, or when the loop is left. What the loop has not
   * taken yet waits, up to `limit`; beyond that the loop fails with `STREAM_TOO_SLOW`: nothing is left out in silence.
   */
  stream<K extends keyof Events>(type: K, { limit = 4096 } = {}): AsyncIterableIterator<Events[K]> {
    const waiting: Events[K][] = [];
    let wake: (() => void) | undefined;
    let failure: RelayError | undefined;
    let done = false;
    const off = this.on(type, (event) => {
      if (waiting.length >= limit) {
        failure = new RelayError("STREAM_TOO_SLOW", `${limit} events of \`${String(type)}\` wait for the loop`);
        end();
      } else {
        waiting.push(event);
        wake?.();
      }
    });
    const end = () => {
      off();
      this.#enders.delete(end);
      done = true;
      wake?.();
    };
    this.#enders.add(end);
    return {
      async next() {
        while (waiting.length === 0 && !done) await new Promise<void>((resolve) => (wake = resolve));
        const [value] = waiting;
        if (waiting.length > 0) {
          waiting.shift();
          return { value: value as Events[K], done: false };
        }
        if (failure) throw failure;
        return { value: undefined, done: true };
      },
      async return() {
        end();
        waiting.length = 0;
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Whether anybody listens. */
  protected hears(type: keyof Events): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  protected emit<K extends keyof Events>(type: K, event: Events[K]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        (listener as (event: Events[K]) => void)(event);
      } catch (error) {
        // One listener's mistake is shown as such, and is no reason that the others hear nothing.
        const report = globalThis.reportError as typeof reportError | undefined;
        if (report) report(error);
        else setTimeout(() => { throw error; });
      }
    }
  }

  /** Ends all that waits. */
  protected end(): void {
    for (const end of [...this.#enders]) end();
    this.#enders.clear();
  }
}
