/** The worker that decodes snapshots: files that the user has opened, and moments whose pages are looked at. */

import { Decoder } from "./decoder";
import type { FromReader, ToReader } from "./messages";

export function startReader(): void {
  const decoder = Decoder.create(() => undefined);
  onmessage = async ({ data }: MessageEvent<ToReader>) => {
    const { id, snapshot, page } = data;
    try {
      const heap = await decoder;
      const figures = heap.decode(snapshot);
      const items = page === null ? null : heap.page(page);
      answer({ id, figures, map: heap.map(), items });
    } catch (error) {
      answer({ id, error: error instanceof Error ? error.message : String(error) });
    }
  };
}

function answer(message: FromReader): void {
  postMessage(message);
}
