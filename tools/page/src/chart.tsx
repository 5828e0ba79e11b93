/** The timeline: live, slot and linear memory, and fragmentation, by uPlot. A click chooses a moment. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Colours } from "./colours";
import { OTHERS, type Moment } from "./messages";
import { percent, shortSize, size } from "./text";

interface Props {
  moments: Moment[];
  /** The place of the moment that is looked at. */
  place: number;
  unit: string;
  colours: Colours;
  show(place: number): void;
}

const HEIGHT = 220;

/** The steps of an axis of bytes. */
const POWERS = Array.from({ length: 32 }, (_, power) => 2 ** power);

/** What is drawn, in light and in dark; each line has its own dashes, too. */
interface Line {
  label: string;
  colours: [string, string];
  dash?: number[];
  scale: string;
  of(moment: Moment): number;
}

const LINES: Line[] = [
  { label: "memory", colours: ["#57606a", "#a4adb8"], scale: "bytes", of: ({ figures }) => figures.memory_pages * 65536 },
  { label: "slots", colours: ["#0a58ca", "#6aa0ff"], dash: [6, 3], scale: "bytes", of: ({ figures }) => figures.block_bytes },
  { label: "live", colours: ["#1a7f37", "#5fc27a"], scale: "bytes", of: ({ figures }) => figures.live_bytes },
  {
    label: "fragmentation",
    colours: ["#b3261e", "#ff8a80"],
    dash: [2, 3],
    scale: "part",
    of: ({ figures }) => figures.fragmentation,
  },
];

/** Those of other allocators. */
const COMPARED: Line[] = OTHERS.map((name, place) => ({
  label: `memory with ${name}`,
  colours: place === 0 ? ["#9a6700", "#d9b23c"] : ["#8250df", "#c583e0"],
  dash: [10, 4],
  scale: "bytes",
  of: ({ others }) => others[place] ?? 0,
}));

function lines(moments: Moment[]): Line[] {
  return moments[0]?.others.length ? [...LINES, ...COMPARED] : LINES;
}

export function Timeline(props: Props): VNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    plot.current = new uPlot(options(() => latest.current), data(latest.current.moments), element);
    const pick = () => {
      const place = plot.current?.cursor.idx;
      if (place !== null && place !== undefined) {
        latest.current.show(place);
      }
    };
    plot.current.over.addEventListener("click", pick);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
    };
  }, [props.colours, props.unit, lines(props.moments).length]);

  const { moments, place } = props;
  useEffect(() => plot.current?.setData(data(moments)), [moments, moments.length, moments.at(-1)]);
  useEffect(() => {
    plot.current?.redraw(false);
    plot.current?.setLegend({ idx: place }, false);
  });

  return <div ref={box} class="chart" aria-hidden="true" />;
}

function data(moments: Moment[]): uPlot.AlignedData {
  return [moments.map(({ at }) => at), ...lines(moments).map(({ of }) => moments.map(of))];
}

function options(props: () => Props): uPlot.Options {
  const { colours, unit, moments } = props();
  const axis = { stroke: colours.muted, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line } };
  return {
    width: 300,
    height: HEIGHT,
    scales: {
      x: { time: false },
      bytes: { range: (_, __, max) => [0, Math.max(max * 1.05, 1)] },
      part: { range: () => [0, 1] },
    },
    axes: [
      { ...axis, label: unit, labelSize: 20, size: 32 },
      { ...axis, scale: "bytes", size: 60, incrs: POWERS, values: (_, values) => values.map((value) => shortSize(value)) },
      { ...axis, scale: "part", side: 1, size: 50, grid: { show: false }, values: (_, values) => values.map(percent) },
    ],
    series: [
      { label: unit, value: (_, value) => (value === null ? "" : value.toFixed(unit === "s" ? 2 : 0)) },
      ...lines(moments).map(({ label, colours: [light, dark], dash, scale }) => ({
        label,
        scale,
        dash: dash ?? [],
        stroke: colours.isDark ? dark : light,
        width: 2,
        points: { show: false },
        value: (_: uPlot, value: number | null) => (value === null ? "" : scale === "part" ? percent(value) : size(value)),
      })),
    ],
    hooks: {
      draw: [
        (plot) => {
          const { moments, place } = props();
          const moment = moments[place];
          if (moment && place < moments.length - 1) {
            const x = Math.round(plot.valToPos(moment.at, "x", true));
            plot.ctx.fillStyle = colours.accent;
            plot.ctx.fillRect(x - 1, plot.bbox.top, 2, plot.bbox.height);
          }
        },
      ],
    },
  };
}
