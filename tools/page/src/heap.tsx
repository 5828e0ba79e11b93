/** The heap as a map of pages, and one page close up. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { FREE, kindName, LEGEND, SLAB, type Colours } from "./colours";
import { Grid, type Cell } from "./grid";
import type { Item, Moment } from "./messages";
import { count, hex, percent, shortSize, size } from "./text";

/** Bytes of the map for each page. */
const MAP = 2;

const PAGE = 65536;

interface MapProps {
  moment: Moment;
  selected: number;
  colours: Colours;
  isFocused: boolean;
  select(page: number): void;
  zoom(page: number): void;
}

export function HeapMap({ moment, selected, colours, isFocused, select, zoom }: MapProps): VNode {
  const { map } = moment;
  const part = (page: number) => (map[page * MAP + 1] ?? 0) / 255;
  const kind = (page: number) => map[page * MAP] ?? 0;
  const draw = (context: CanvasRenderingContext2D, { x, y, width, height }: Cell, page: number) => {
    const filled = Math.round(height * part(page));
    context.fillStyle = colours.rest[kind(page)] ?? colours.line;
    context.fillRect(x, y, width, height);
    context.fillStyle = colours.used[kind(page)] ?? colours.line;
    context.fillRect(x, y + height - filled, width, filled);
  };
  const describe = (page: number) =>
    `Page ${page} at ${hex(page * PAGE)}: mostly ${kindName(kind(page))}, ${percent(part(page))} in use`;
  const pages = map.length / MAP;
  return (
    <section aria-labelledby="map-title">
      <h2 id="map-title">Pages of memory</h2>
      <p class="hint">
        Each is 64 KiB, coloured by what most of it holds, and filled as far as it is in use. Arrow keys choose one, Enter opens it.
      </p>
      <Grid
        label={`Map of ${count(pages, "page")}`}
        count={pages}
        width={22}
        height={22}
        gap={2}
        selected={Math.min(selected, pages - 1)}
        outline={colours.ink}
        isFocused={isFocused}
        draw={draw}
        describe={describe}
        select={select}
        open={zoom}
      />
      <Legend colours={colours} />
    </section>
  );
}

function Legend({ colours }: { colours: Colours }): VNode {
  return (
    <ul class="legend" aria-label="Colours">
      {LEGEND.map((kind) => (
        <li key={kind}>
          <span class="swatch" style={{ background: kind === FREE ? colours.rest[kind] : colours.used[kind] }} />
          {kindName(kind)}
        </li>
      ))}
    </ul>
  );
}

interface PageProps {
  page: number;
  items: Item[] | null;
  /** Whether slots of this moment can still be had. */
  isKept: boolean;
  colours: Colours;
  leave(): void;
}

export function PageView({ page, items, isKept, colours, leave }: PageProps): VNode {
  const [selected, setSelected] = useState(0);
  const list = items ?? [];
  const draw = (context: CanvasRenderingContext2D, { x, y, width, height }: Cell, place: number) => {
    const item = list[place];
    if (!item) {
      return;
    }
    const isFree = item.state === "free";
    const filled = item.len === null ? (isFree ? 0 : width) : Math.max(2, (width * item.len) / item.room);
    context.fillStyle = colours.rest[item.kind] ?? colours.line;
    context.fillRect(x, y, width, height);
    context.fillStyle = colours.used[item.kind] ?? colours.line;
    context.fillRect(x, y, item.state === "held" ? 0 : filled, height);
    context.fillStyle = isFree ? colours.muted : colours.ink;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    const other = isFree ? "·" : item.state.slice(0, 4);
    context.fillText(item.len === null ? other : shortSize(item.len), x + width / 2, y + height / 2);
  };
  return (
    <section
      aria-labelledby="page-title"
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          leave();
        }
      }}
    >
      <div class="row">
        <h2 id="page-title">
          Page {page} at {hex(page * PAGE)}
        </h2>
        <button onClick={leave}>Back to the map (Esc)</button>
      </div>
      <p class="hint">Each cell is a slot, or a run that is not cut into slots. In it is the length of its block, in bytes.</p>
      {!isKept && <p role="note">The slots of this moment were not kept, since there are too many. Choose another.</p>}
      <Grid
        label={`Slots of page ${page}`}
        count={list.length}
        width={44}
        height={22}
        gap={2}
        selected={Math.min(selected, Math.max(0, list.length - 1))}
        outline={colours.ink}
        isFocused
        draw={draw}
        describe={(place) => describeItem(list[place])}
        select={setSelected}
      />
      <RunTable items={list} />
    </section>
  );
}

function describeItem(item: Item | undefined): string {
  if (!item) {
    return "";
  }
  const what = item.kind >= SLAB ? `slot of ${size(item.room)}` : `${kindName(item.kind)}, ${size(item.room)}`;
  const block = item.len === null ? item.state : `${size(item.len)} live`;
  const past = item.past ? `, allocated by tag ${item.past.allocated_by}, freed by tag ${item.past.freed_by}` : "";
  return `${hex(item.offset)}: ${what}, ${block}${past}`;
}

/** The page's runs in words and numbers. */
function RunTable({ items }: { items: Item[] }): VNode {
  const runs = [...Map.groupBy(items, ({ run }) => run).values()];
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of the page's runs">
      <table>
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col">what</th>
            <th scope="col">live</th>
            <th scope="col">lengths of the live blocks</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => {
            const [first] = run;
            const lens = run.flatMap(({ len }) => (len === null ? [] : [len]));
            return (
              first && (
                <tr key={first.offset}>
                  <th scope="row">{hex(first.offset)}</th>
                  <td>{first.kind >= SLAB ? kindName(first.kind) : `${kindName(first.kind)}, ${size(first.room)}`}</td>
                  <td>{first.kind >= SLAB ? `${lens.length} of ${run.length}` : lens.length || ""}</td>
                  <td>{lens.join(" ")}</td>
                </tr>
              )
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
