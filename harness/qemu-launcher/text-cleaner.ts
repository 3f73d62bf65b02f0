/**
 * Turns what a terminal would be sent into plain text, whatever pieces it comes in: escape sequences and control
 * characters vanish, CR, CR LF and CR CR LF become one line feed, and a sequence that moves the cursor to another row
 * (OVMF and GRUB draw so) ends the line it leaves.
 */
export class TextCleaner {
  readonly #decoder = new TextDecoder("utf-8");
  #state: "text" | "escape" | "csi" | "string" | "string-escape" | "skip-one" = "text";
  #pendingCr = false;
  #lineIsEmpty = true;

  push(bytes: Uint8Array): string {
    let out = "";
    for (const char of this.#decoder.decode(bytes, { stream: true })) out += this.#char(char);
    return out;
  }

  #char(char: string): string {
    switch (this.#state) {
      case "escape":
        this.#state = afterEscape(char);
        // IND, NEL, RI: to another row.
        return char === "D" || char === "E" || char === "M" ? this.#newRow() : "";
      case "csi":
        if (char < "@" || char > "~") return "";
        this.#state = "text";
        // CUU CUD CNL CPL CUP ED HVP VPA
        return "ABEFHJdf".includes(char) ? this.#newRow() : "";
      case "string":
        if (char === "\x07") this.#state = "text";
        else if (char === "\x1b") this.#state = "string-escape";
        return "";
      case "string-escape":
        this.#state = char === "\\" ? "text" : "string";
        return "";
      case "skip-one":
        this.#state = "text";
        return "";
      case "text":
        break;
    }
    return this.#plain(char);
  }

  #plain(char: string): string {
    if (char === "\x1b") {
      this.#state = "escape";
      return "";
    }
    if (char === "\r") {
      this.#pendingCr = true;
      return "";
    }
    if (char === "\n") {
      this.#pendingCr = false;
      this.#lineIsEmpty = true;
      return "\n";
    }
    if ((char < " " && char !== "\t") || char === "\x7f") return "";
    // A CR without LF: what follows overwrites the line, so the old text of the line is complete.
    const ended = this.#pendingCr ? this.#newRow() : "";
    this.#lineIsEmpty = false;
    return ended + char;
  }

  #newRow(): string {
    this.#pendingCr = false;
    if (this.#lineIsEmpty) return "";
    this.#lineIsEmpty = true;
    return "\n";
  }
}

function afterEscape(char: string): "text" | "csi" | "string" | "skip-one" | "escape" {
  if (char === "[") return "csi";
  if ("]PX^_".includes(char)) return "string";
  if ("()*+#% ".includes(char)) return "skip-one";
  return char === "\x1b" ? "escape" : "text";
}
