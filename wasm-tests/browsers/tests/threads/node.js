// Workers as Node has them.

const { Worker } = require("node:worker_threads");

const PRELUDE = `
    const { parentPort } = require("node:worker_threads");
    const listen = (hear) => parentPort.on("message", hear);
    const post = (data) => parentPort.postMessage(data);
`;

function start(source) {
    const worker = new Worker(PRELUDE + source, { eval: true });
    worker.unref();
    const ask = (data) =>
        new Promise((resolve, reject) => {
            worker.ref();
            worker.once("error", reject);
            worker.once("message", (answer) => {
                worker.unref();
                resolve(answer);
            });
            worker.postMessage(data);
        });
    return { ask };
}
