// Search on pages opened from disk. Browsers refuse to start a worker from a file:// page;
// a hidden frame runs the same script instead, behind the interface of `Worker`.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #waiting = [];
    #scope = null;

    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      frame.addEventListener("load", () => this.#start(frame.contentWindow, url), { once: true });
      document.body.append(frame);
    }

    postMessage(data) {
      if (this.#scope) this.#deliver(data);
      else this.#waiting.push(data);
    }

    #start(scope, url) {
      scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = scope.document.createElement("script");
      script.src = new URL(url, document.baseURI);
      script.addEventListener("load", () => {
        this.#scope = scope;
        for (const data of this.#waiting.splice(0)) this.#deliver(data);
      });
      scope.document.head.append(script);
    }

    #deliver(data) {
      this.#scope.dispatchEvent(new MessageEvent("message", { data }));
    }
  };
}
