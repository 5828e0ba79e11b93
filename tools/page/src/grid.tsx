/**
 * A list of very many cells in rows: the pages of a heap, or the slots of a page. Only what is in view is drawn, on a canvas that
 * stays in view. To the keyboard and to screen readers it is a list box, whose selected cell is described in words.
 */

import type { VNode } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Cell {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Props {
  label: string;
  count: number;
  width: number;
  height: number;
  gap: number;
  selected: number;
  draw(context: CanvasRenderingContext2D, cell: Cell, place: number): void;
  describe(place: number): string;
  select(place: number): void;
  open?(place: number): void;
  outline: string;
  /** Whether it takes the keyboard as soon as it is there. */
  isFocused?: boolean;
}

export function Grid(props: Props): VNode {
  const { count, width, height, gap, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const id = useId();
  const [room, setRoom] = useState({ width: 0, height: 0 });
  const [hovered, setHovered] = useState<number | null>(null);

  const columns = Math.max(1, Math.floor((room.width + gap) / (width + gap)));
  const [stepX, stepY] = [width + gap, height + gap];
  const total = Math.ceil(count / columns) * stepY;

  // Whatever has changed, it is drawn with the next frame, and once.
  const draw = useRef(() => {});
  const frame = useRef(0);
  draw.current = () => {
    const [view, context] = [canvas.current, canvas.current?.getContext("2d")];
    if (!view || !context || !box.current) {
      return;
    }
    const scale = devicePixelRatio;
    const [pixelsX, pixelsY] = [Math.round(room.width * scale), Math.round(room.height * scale)];
    if (view.width !== pixelsX || view.height !== pixelsY) {
      [view.width, view.height] = [pixelsX, pixelsY];
      [view.style.width, view.style.height] = [`${room.width}px`, `${room.height}px`];
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, room.width, room.height);
    const top = box.current.scrollTop;
    const first = Math.floor(top / stepY) * columns;
    const end = Math.min(count, Math.ceil((top + room.height) / stepY) * columns);
    for (let place = first; place < end; place += 1) {
      const x = (place % columns) * stepX;
      const y = Math.floor(place / columns) * stepY - top;
      props.draw(context, { x, y, width, height }, place);
      if (place === selected) {
        context.strokeStyle = props.outline;
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, width - 2, height - 2);
      }
    }
    view.dataset["drawn"] = String(Math.max(0, end - first));
  };
  const redraw = () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => draw.current());
  };
  useLayoutEffect(redraw);

  useEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    if (props.isFocused) {
      element.focus();
    }
    const observer = new ResizeObserver(() => setRoom({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const at = (event: MouseEvent): number | null => {
    const rect = box.current?.getBoundingClientRect();
    if (!rect || !box.current) {
      return null;
    }
    const column = Math.floor((event.clientX - rect.left) / stepX);
    const row = Math.floor((event.clientY - rect.top + box.current.scrollTop) / stepY);
    const place = row * columns + column;
    return column < columns && place < count ? place : null;
  };

  const move = (place: number) => {
    const next = Math.min(Math.max(place, 0), count - 1);
    props.select(next);
    const top = Math.floor(next / columns) * stepY;
    const element = box.current;
    if (element && top < element.scrollTop) {
      element.scrollTop = top;
    } else if (element && top + stepY > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + stepY - element.clientHeight;
    }
  };

  const key = (event: KeyboardEvent) => {
    const screen = Math.max(1, Math.floor(room.height / stepY)) * columns;
    const moves: Record<string, number> = {
      ArrowLeft: selected - 1,
      ArrowRight: selected + 1,
      ArrowUp: selected < columns ? selected : selected - columns,
      ArrowDown: selected + columns >= count ? selected : selected + columns,
      PageUp: selected - screen,
      PageDown: selected + screen,
      Home: 0,
      End: count - 1,
    };
    const next = moves[event.key];
    if (next !== undefined) {
      move(next);
    } else if (event.key === "Enter" && props.open) {
      props.open(selected);
    } else {
      return;
    }
    event.preventDefault();
  };

  const shown = hovered !== null && hovered < count ? hovered : selected;
  return (
    <>
      <div
        ref={box}
        class="grid"
        tabIndex={0}
        role="listbox"
        style={{ height: `${total}px` }}
        aria-label={props.label}
        aria-activedescendant={`${id}-cell`}
        onKeyDown={key}
        onScroll={redraw}
        onPointerMove={(event) => setHovered(at(event))}
        onPointerLeave={() => setHovered(null)}
        onClick={(event) => {
          const place = at(event);
          if (place !== null) {
            props.select(place);
            props.open?.(place);
          }
        }}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <div style={{ height: `${total}px` }} aria-hidden="true" />
        {count > 0 && (
          <div
            id={`${id}-cell`}
            class="unseen"
            role="option"
            aria-selected="true"
            aria-posinset={selected + 1}
            aria-setsize={count}
          >
            {props.describe(selected)}
          </div>
        )}
      </div>
      <p class="caption">{count > 0 ? props.describe(shown) : " "}</p>
    </>
  );
}
