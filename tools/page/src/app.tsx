/** All of the page: what to watch, what became of it, its figures and timeline, and the heap. */

import type { VNode } from "preact";
import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import { Timeline } from "./chart";
import { colours } from "./colours";
import { HeapMap, PageView } from "./heap";
import type { Demo, Moment } from "./messages";
import { Session } from "./session";
import { count, percent, size } from "./text";

const DEMOS: { demo: Demo; title: string; about: string }[] = [
  { demo: "steady", title: "Steady", about: "answers requests, and frees what it need not keep" },
  { demo: "leak", title: "Leak", about: "forgets to end every second session" },
  { demo: "misuse", title: "Misuse", about: "frees a block twice in step 20" },
];

const DARK = matchMedia("(prefers-color-scheme: dark)");

export function App(): VNode {
  const [, change] = useReducer((changes: number) => changes + 1, 0);
  const session = useMemo(() => new Session(() => change(undefined)), []);
  const [isDark, setDark] = useDark();
  const palette = useMemo(() => colours(isDark), [isDark]);
  const [chosen, setChosen] = useState<number | null>(null);
  // Whoever leaves a page finds the map as it was, and the keyboard in it.
  const [hasZoomed, setZoomed] = useState(false);
  const { moment, page } = session;
  // At first the heap's own first page.
  const selected = chosen ?? Math.max(0, moment?.map.findIndex((kind, at) => at % 2 === 0 && kind !== 0) ?? 0) / 2;
  const zoom = (to: number | null) => {
    setZoomed(true);
    session.zoom(to);
  };
  return (
    <>
      <header class="row">
        <h1>pageslab: a heap, live</h1>
        <button aria-pressed={isDark} onClick={() => setDark(!isDark)}>
          Dark
        </button>
      </header>
      <main>
        <Sources session={session} />
        <Told session={session} />
        {moment && (
          <>
            <Controls session={session} />
            <Numbers moment={moment} />
            <Moments session={session} palette={palette} />
            {page === null ? (
              <HeapMap
                moment={moment}
                selected={selected}
                colours={palette}
                isFocused={hasZoomed}
                select={setChosen}
                zoom={zoom}
              />
            ) : (
              <PageView
                key={page}
                page={page}
                items={session.items}
                isKept={moment.snapshot !== null}
                colours={palette}
                leave={() => zoom(null)}
              />
            )}
          </>
        )}
        {session.output.length > 0 && (
          <section aria-labelledby="output-title">
            <h2 id="output-title">What the guest says</h2>
            <pre class="scroll" tabIndex={0}>{session.output.join("\n")}</pre>
          </section>
        )}
      </main>
    </>
  );
}

/** Whether it is dark: as the system has it, until the user says otherwise. */
function useDark(): [boolean, (isDark: boolean) => void] {
  const [isDark, setDark] = useState(DARK.matches);
  useEffect(() => {
    const follow = () => setDark(DARK.matches);
    DARK.addEventListener("change", follow);
    return () => DARK.removeEventListener("change", follow);
  }, []);
  document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
  return [isDark, setDark];
}

function Sources({ session }: { session: Session }): VNode {
  const [args, setArgs] = useState("");
  const [isCompared, setCompared] = useState(false);
  const [isPaused, setPaused] = useState(false);
  return (
    <section class="sources" aria-label="What to watch">
      {DEMOS.map(({ demo, title, about }) => (
        <button key={demo} class="demo" onClick={() => session.demo(demo, isCompared, isPaused)}>
          <strong>{title}</strong>
          <span>{about}</span>
        </button>
      ))}
      <label class="file">
        <span>A guest (.wasm) or a snapshot</span>
        <input
          type="file"
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            if (file) {
              void session.open(file, args.split(/\s+/).filter(Boolean), isPaused);
            }
            // The same file can then be chosen again.
            currentTarget.value = "";
          }}
        />
      </label>
      <label class="file">
        <span>Arguments of the guest</span>
        <input
          type="text"
          value={args}
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setArgs(currentTarget.value)}
        />
      </label>
      <div class="checks">
        <label>
          <input type="checkbox" checked={isPaused} onChange={({ currentTarget }) => setPaused(currentTarget.checked)} />
          Begin paused, to go step by step
        </label>
        <label>
          <input type="checkbox" checked={isCompared} onChange={({ currentTarget }) => setCompared(currentTarget.checked)} />
          Compare a demo's memory with dlmalloc's and talc's
        </label>
      </div>
    </section>
  );
}

/** What became of it, and what went wrong. */
function Told({ session }: { session: Session }): VNode {
  const { name, told, error, misuse } = session;
  return (
    <>
      <p role="status">
        {name && <strong>{name}: </strong>}
        {told}
      </p>
      <div role="alert">
        {error && <p class="trouble">{error}</p>}
        {misuse.length > 0 && (
          <div class="trouble">
            <h2>Misuse caught</h2>
            <pre>{misuse.join("\n")}</pre>
          </div>
        )}
      </div>
    </>
  );
}

function Controls({ session }: { session: Session }): VNode | null {
  const { status, isStepped, moment } = session;
  const isAlive = status === "running" || status === "paused";
  const isPaused = status === "paused";
  return (
    <div class="row" role="group" aria-label="The guest">
      {isAlive && isStepped && (
        <>
          <button onClick={() => (isPaused ? session.go() : session.pause())}>{isPaused ? "Go on" : "Pause"}</button>
          <button disabled={!isPaused} onClick={() => session.step()}>
            Step
          </button>
        </>
      )}
      {isAlive && <button onClick={() => session.stop()}>Stop</button>}
      <button disabled={!moment?.snapshot} onClick={() => moment?.snapshot && save(moment.snapshot)}>
        Save a snapshot
      </button>
    </div>
  );
}

function save(snapshot: Uint8Array): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([snapshot as Uint8Array<ArrayBuffer>]));
  link.download = "heap.snap";
  link.click();
  URL.revokeObjectURL(link.href);
}

function Numbers({ moment: { figures } }: { moment: Moment }): VNode {
  const numbers: [string, string, string][] = [
    ["live", size(figures.live_bytes), count(figures.live_blocks, "block")],
    ["slots and runs", size(figures.block_bytes), "that hold them"],
    ["memory", size(figures.memory_pages * 65536), `${count(figures.pages, "page")} of the heap`],
    ["free", size(figures.free_bytes), `longest ${size(figures.longest_free)}`],
    ["fragmentation", percent(figures.fragmentation), "of what is free"],
    ["growth", count(figures.growths, "time"), `refused ${count(figures.refused_growths, "time")}`],
  ];
  return (
    <>
      {figures.is_poisoned && <p class="trouble">The heap is poisoned: a call was stopped in the midst of a change.</p>}
      <dl class="numbers">
        {numbers.map(([name, value, more]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
            <dd class="hint">{more}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Moments({ session, palette }: { session: Session; palette: ReturnType<typeof colours> }): VNode | null {
  const { history, place, isStepped, moment } = session;
  const { moments } = history;
  if (!moment || (moments.length < 2 && !isStepped)) {
    return null;
  }
  const at = isStepped ? `step ${moment.at}` : `${moment.at.toFixed(2)} s`;
  const text = `${at}: ${size(moment.figures.live_bytes)} live, ${size(moment.figures.memory_pages * 65536)} of memory`;
  return (
    <section aria-labelledby="time-title">
      <h2 id="time-title">Timeline</h2>
      <Timeline
        moments={moments}
        place={place}
        unit={isStepped ? "steps" : "s"}
        colours={palette}
        show={(at) => session.show(at)}
      />
      <label class="moment">
        <span>
          Moment: {at}
          {place < moments.length - 1 ? "" : ", the last"}
        </span>
        <input
          type="range"
          min={0}
          max={moments.length - 1}
          value={place}
          aria-valuetext={text}
          onInput={({ currentTarget }) => session.show(currentTarget.valueAsNumber)}
        />
      </label>
    </section>
  );
}
