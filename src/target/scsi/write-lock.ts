/**
 * Keeps read-modify-write commands (COMPARE AND WRITE, ORWRITE, atomic writes) apart from all other changes of a
 * medium: many plain writes at a time, or one exclusive command. An exclusive command that waits holds back later writes.
 */
export class WriteLock {
  #writers = 0;
  #exclusive = false;
  readonly #waiting: { readonly exclusive: boolean; readonly resume: () => void }[] = [];

  async shared<T>(work: () => Promise<T>): Promise<T> {
    if (this.#exclusive || this.#waiting.length > 0) await this.#wait(false);
    else this.#writers += 1;
    try {
      return await work();
    } finally {
      this.#writers -= 1;
      this.#wake();
    }
  }

  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#exclusive || this.#writers > 0 || this.#waiting.length > 0) await this.#wait(true);
    else this.#exclusive = true;
    try {
      return await work();
    } finally {
      this.#exclusive = false;
      this.#wake();
    }
  }

  #wait(exclusive: boolean): Promise<void> {
    return new Promise((resume) => this.#waiting.push({ exclusive, resume }));
  }

  #wake(): void {
    for (let next = this.#waiting[0]; next !== undefined && !this.#exclusive; next = this.#waiting[0]) {
      if (next.exclusive && this.#writers > 0) return;
      this.#waiting.shift();
      if (next.exclusive) this.#exclusive = true;
      else this.#writers += 1;
      next.resume();
    }
  }
}
