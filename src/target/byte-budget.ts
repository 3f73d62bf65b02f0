/** A number of bytes that many may take from and give back; who asks for more than is left waits in line. */
export class ByteBudget {
  #left: number;
  readonly #total: number;
  readonly #waiting: { readonly bytes: number; readonly resume: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#left = total;
  }

  /** Resolves when the bytes are taken. A request beyond the whole budget is let through alone. */
  take(bytes: number): Promise<void> {
    const wanted = Math.min(bytes, this.#total);
    if (this.#waiting.length === 0 && wanted <= this.#left) {
      this.#left -= wanted;
      return Promise.resolve();
    }
    return new Promise((resume) => this.#waiting.push({ bytes: wanted, resume }));
  }

  give(bytes: number): void {
    this.#left += Math.min(bytes, this.#total);
    for (
      let next = this.#waiting[0];
      next !== undefined && next.bytes <= this.#left;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#left -= next.bytes;
      next.resume();
    }
  }
}
