/** Longer lines are cut, so that a guest without line ends does not fill the memory. */
const longestLine = 4096;

/** Joins pieces of text to lines, without their ends. Carriage returns before a line end and NULs are dropped. */
export class LineJoiner {
  readonly #line: (line: string) => void;
  #rest = "";

  constructor(line: (line: string) => void) {
    this.#line = line;
  }

  push(text: string): void {
    const lines = (this.#rest + text.replaceAll("\0", "")).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.replace(/\r+$/, ""));
    while (this.#rest.length >= longestLine) {
      this.#line(this.#rest.slice(0, longestLine));
      this.#rest = this.#rest.slice(longestLine);
    }
  }

  /** The guest has stopped or gone quiet: what there is of a line is all. */
  flush(): void {
    const line = this.#rest.replace(/\r+$/, "");
    this.#rest = "";
    if (line !== "") this.#line(line);
  }
}
