/** The timeline: live, slot and linear memory, and fragmentation, by uPlot. A click chooses a moment. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Colours } from "./colours";
import type { Moment } from "./messages";
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

/** What is drawn, in light and in dark; each line has its own dashes, too. */
const LINES: { label: string; colours: [string, string]; dash?: number[]; scale: string; of(moment: Moment): number }[] = [
  { label: "memory", colours: ["#57606a", "#a4adb8"], scale: "bytes", of: ({ figures }) => figures.memory_pages * 65536 },
  { label: "slots", colours: ["#0a58ca", "#6aa0ff"], dash: [6, 3], scale: "bytes", of: ({ figures }) => figures.block_bytes },
  { label: "live", colours: ["#1a7f37", "#5fc27a"], scale: "bytes", of: ({ figures }) => figures.live_bytes },
  { label: "fragmentation", colours: ["#b3261e", "#ff8a80"], dash: [2, 3], scale: "part", of: ({ figures }) => figures.fragmentation },
];

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
  }, [props.colours, props.unit]);

  useEffect(() => plot.current?.setData(data(props.moments)), [props.moments, props.moments.length, props.moments.at(-1)]);
  useEffect(() => plot.current?.redraw(false), [props.place]);

  return <div ref={box} class="chart" aria-hidden="true" />;
}

function data(moments: Moment[]): uPlot.AlignedData {
  return [moments.map(({ at }) => at), ...LINES.map(({ of }) => moments.map(of))];
}

function options(props: () => Props): uPlot.Options {
  const { colours, unit } = props();
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
      { ...axis, values: (_, values) => values.map((value) => `${value} ${unit}`) },
      { ...axis, scale: "bytes", size: 60, values: (_, values) => values.map((value) => shortSize(value)) },
      { ...axis, scale: "part", side: 1, size: 50, grid: { show: false }, values: (_, values) => values.map(percent) },
    ],
    series: [
      { label: unit, value: (_, value) => (value === null ? "" : value.toFixed(unit === "s" ? 2 : 0)) },
      ...LINES.map(({ label, colours: [light, dark], dash, scale }) => ({
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
