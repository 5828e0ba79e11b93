/**
 * The moments of a run, in the order in which they were. There is room for so many, and for so many bytes of snapshots: when it is
 * used up, every second one goes. So all of the run is there, and the further it goes on the coarser.
 */

import type { Moment } from "./messages";

const MOMENTS = 2000;
const SNAPSHOT_BYTES = 96 << 20;

export class History {
  moments: Moment[] = [];
  private bytes = 0;

  get last(): Moment | undefined {
    return this.moments.at(-1);
  }

  /** Adds a moment, or takes the last one's place if no time has passed. */
  push(moment: Moment): void {
    if (this.last?.at === moment.at) {
      this.bytes -= this.moments.pop()?.snapshot?.length ?? 0;
    }
    this.moments.push(moment);
    this.bytes += moment.snapshot?.length ?? 0;
    if (this.moments.length > MOMENTS) {
      this.moments = this.moments.filter((_, place) => place % 2 === 0);
      this.bytes = this.moments.reduce((sum, { snapshot }) => sum + (snapshot?.length ?? 0), 0);
    }
    while (this.bytes > SNAPSHOT_BYTES && this.thin());
  }

  /** Drops every second snapshot, but for the last. */
  private thin(): boolean {
    const kept = this.moments.slice(0, -1).filter(({ snapshot }) => snapshot);
    for (const moment of kept.filter((_, place) => place % 2 === 0)) {
      this.bytes -= moment.snapshot?.length ?? 0;
      moment.snapshot = null;
    }
    return kept.length > 0;
  }
}
