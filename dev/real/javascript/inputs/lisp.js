// An interpreter in an interpreter: reads expressions into arrays, and evaluates them with closures and exceptions.
"use strict";

const read = (text) => {
  const tokens = text.match(/[()]|[^\s()]+/g);
  let at = 0;
  const next = () => {
    const token = tokens[at++];
    if (token === undefined) throw new SyntaxError("the end");
    if (token === ")") throw new SyntaxError("a parenthesis too many");
    if (token !== "(") return isNaN(token) ? Symbol.for(token) : Number(token);
    const list = [];
    while (tokens[at] !== ")") list.push(next());
    at++;
    return list;
  };
  return next();
};

class Scope {
  constructor(outer, names = [], values = []) {
    this.outer = outer;
    this.values = new Map(names.map((name, index) => [name, values[index]]));
  }
  find(name) {
    for (let scope = this; scope; scope = scope.outer) {
      if (scope.values.has(name)) return scope.values.get(name);
    }
    throw new ReferenceError(`${String(name)} is unknown`);
  }
}

const [IF, LET, FUN] = ["if", "let", "fun"].map((name) => Symbol.for(name));

const evaluate = (form, scope) => {
  if (typeof form === "symbol") return scope.find(form);
  if (!Array.isArray(form)) return form;
  const [head, ...rest] = form;
  switch (head) {
    case IF:
      return evaluate(evaluate(rest[0], scope) ? rest[1] : rest[2], scope);
    case LET:
      return scope.values.set(rest[0], evaluate(rest[1], scope)), null;
    case FUN:
      return (...values) => evaluate(rest[1], new Scope(scope, rest[0], values));
  }
  const [callee, ...values] = form.map((part) => evaluate(part, scope));
  return callee(...values);
};

const builtins = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => (a * b) % 1000003,
  "<": (a, b) => a < b,
  list: (...values) => values,
  map: (f, list) => list.map((value) => f(value)),
  sum: (list) => list.reduce((a, b) => a + b, 0),
};
const scope = new Scope(null);
for (const [name, value] of Object.entries(builtins)) scope.values.set(Symbol.for(name), value);

const program = [
  "(let fib (fun (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))))",
  "(let fact (fun (n) (if (< n 1) 1 (* n (fact (- n 1))))))",
  "(let twice (fun (f) (fun (x) (f (f x)))))",
];
program.forEach((line) => evaluate(read(line), scope));

const answers = [];
for (let n = 0; n < 16; n++) {
  answers.push(evaluate(read(`(sum (map (twice (fun (x) (+ (fact ${n % 9}) (* x ${n})))) (list ${n} ${round} 3 4)))`), scope));
}
answers.push(evaluate(read("(fib 14)"), scope));
for (const wrong of ["(unknown 1)", "(+ 1", ")"]) {
  try {
    answers.push(evaluate(read(wrong), scope));
  } catch (error) {
    answers.push(`${error.name}: ${error.message}`);
  }
}

globalThis.answer = answers.join(";");
