/** More is told as one piece even if no line has ended. */
const longestPiece = 4096;

/** Collects plain text from a line, which may come byte by byte, into whole lines with their ends. */
export class TextCollector {
  readonly #tell: (text: string) => void;
  #text = "";

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  get holding(): boolean {
    return this.#text !== "";
  }

  push(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
    for (let end = this.#text.indexOf("\n") + 1; end > 0; end = this.#text.indexOf("\n") + 1)
      this.#deliver(end);
    if (this.#text.length >= longestPiece) this.#deliver(this.#text.length);
  }

  flush(): void {
    if (this.#text !== "") this.#deliver(this.#text.length);
  }

  #deliver(length: number): void {
    const text = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    this.#tell(text);
  }
}
