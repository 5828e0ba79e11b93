// Objects of classes in maps, sorted, grouped, and written and read as JSON.
"use strict";

let state = 12345 + round;
const below = (bound) => {
  state = (state * 1103515245 + 12345) % 2147483648;
  return Math.floor((state / 2147483648) * bound);
};

class Item {
  constructor(id, kind) {
    this.id = id;
    this.kind = kind;
    this.tags = [];
    this.size = { width: below(100), height: below(100) };
  }
  get area() {
    return this.size.width * this.size.height;
  }
  toJSON() {
    return { id: this.id, kind: this.kind, tags: this.tags, area: this.area };
  }
}

class Box extends Item {
  constructor(id) {
    super(id, "box");
    this.contents = new Map();
  }
  put(item) {
    this.contents.set(`item-${item.id}`, item);
    return this;
  }
  get area() {
    return super.area + [...this.contents.values()].reduce((sum, item) => sum + item.area, 0);
  }
}

const kinds = ["chair", "table", "lamp", "shelf"];
const items = Array.from({ length: 1500 }, (_, id) => new Item(id, kinds[below(4)]));
const boxes = [];
for (const item of items) {
  for (let tag = below(4); tag > 0; tag--) item.tags.push("tag" + below(50));
  if (item.id % 10 === 0) boxes.push(new Box(item.id));
  boxes[below(boxes.length)].put(item);
}

const groups = {};
for (const { kind, tags } of items) {
  const group = (groups[kind] ??= { count: 0, tags: new Set() });
  group.count++;
  tags.forEach((tag) => group.tags.add(tag));
}

const sorted = [...items].sort((a, b) => b.area - a.area || a.id - b.id);
const text = JSON.stringify({ boxes, best: sorted.slice(0, 200) });
const back = JSON.parse(text);
const total = back.boxes.reduce((sum, box) => sum + box.area, 0);
const counts = Object.entries(groups).map(([kind, { count, tags }]) => [kind, count, tags.size]);

globalThis.answer = [text.length, total, back.best.map((item) => item.id).join(), counts].join(";");
