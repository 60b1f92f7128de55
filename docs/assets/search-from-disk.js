// Browsers start no worker for a page that was opened from the disk. There, a hidden frame runs the same script.
if (location.protocol === "file:") {
  window.Worker = class {
    #waiting = []; // messages until the script has run
    #frame = document.createElement("iframe");

    constructor(url) {
      const script = document.createElement("script");
      script.src = new URL(url, location);
      this.#frame.hidden = true;
      this.#frame.srcdoc = script.outerHTML;
      this.#frame.addEventListener("load", () => {
        this.#frame.contentWindow.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }));
        const waiting = this.#waiting;
        this.#waiting = null;
        waiting.forEach((data) => this.postMessage(data));
      });
      document.body.append(this.#frame);
    }

    postMessage(data) {
      if (this.#waiting) this.#waiting.push(data);
      else setTimeout(() => this.#frame.contentWindow?.onmessage({ data }));
    }

    terminate() {
      this.#frame.remove();
    }
  };
}
