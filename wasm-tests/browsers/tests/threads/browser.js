// Workers as browsers have them.

const PRELUDE = `
    const listen = (hear) => (onmessage = (event) => hear(event.data));
    const post = (data) => postMessage(data);
`;

function start(source) {
    const url = URL.createObjectURL(new Blob([PRELUDE + source], { type: "text/javascript" }));
    const worker = new Worker(url);
    const ask = (data) =>
        new Promise((resolve, reject) => {
            worker.onerror = (event) => reject(new Error(event.message));
            worker.onmessage = (event) => resolve(event.data);
            worker.postMessage(data);
        });
    return { ask };
}
