import type { PickleProblem } from "./error.ts";
import type { PickleLimits } from "./limits.ts";
import type { Step } from "./_step.ts";
import { decodeLatin1, decodeUtf8, isAscii } from "./_utf8.ts";

const NEWLINE = 0x0a;

/** Whether a number can have this byte, in any of Python's forms: a letter, a digit, `_`, `+`, `-`, `.` or a space. */
function isNumberByte(byte: number): boolean {
  const letter = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (letter >= 0x61 && letter <= 0x7a) || byte === 0x5f ||
    byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** The bytes of a pickle, taken from front to back. Every length is checked before anything is allocated. */
export class PickleInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #step: Step;
  readonly #limits: PickleLimits;
  #position: number;
  /** Where the frame ends that began last. */
  #frameEnd = 0;

  /** Starts at `start`; errors are about `step`. */
  constructor(bytes: Uint8Array, start: number, step: Step, limits: PickleLimits) {
    // A plain view, since a subclass such as Node's Buffer gives `subarray` and the like other meanings.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.#step = step;
    this.#limits = limits;
  }

  /** Where the next byte is, in bytes from the start of the input. */
  get position(): number {
    return this.#position;
  }

  /** Takes a byte, or gives `undefined` at the end of the input. */
  next(): number | undefined {
    return this.#bytes[this.#position++];
  }

  /**
   * Takes the length of a frame. It must end where an opcode or an argument does, and with the pickle: else CPython
   * goes on at one place or another, depending on whether it reads from memory or from a file, and how that is buffered.
   */
  frame(): void {
    const length = this.length64("refused");
    const left = this.#frameEnd - this.#position;
    if (left > 0) throw this.#step.error(`the frame before it has ${left} bytes left`);
    this.#frameEnd = this.#position + length;
  }

  /** Checks that the pickle ends where its last frame does. */
  endFrame(): void {
    const left = this.#frameEnd - this.#position;
    if (left > 0) throw this.#step.error(`its frame has ${left} bytes left`);
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** Takes a double, highest byte first. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** Takes an unsigned 8-byte length that the rest of the input has to hold, lowest byte first. */
  length64(problem: PickleProblem = "ends"): number {
    const length = this.#view.getBigUint64(this.#advance(8), true);
    if (length > BigInt(this.#bytes.length - this.#position)) throw this.#tooShort(length, problem);
    return Number(length);
  }

  /** Checks that so many bytes are left, without taking them. */
  require(length: number): void {
    if (length > this.#bytes.length - this.#position) throw this.#tooShort(length);
  }

  /** Takes bytes, as a view of the input that the caller must not hand out. */
  view(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  copy(length: number): Uint8Array {
    return new Uint8Array(this.view(length));
  }

  /** Takes bytes of text, as a view of the input. */
  text(length: number): Uint8Array {
    this.require(length);
    if (length > this.#limits.textBytes) throw this.#tooLong(length);
    return this.view(length);
  }

  /** Takes UTF-8 text in which surrogates may be encoded. */
  utf8(length: number): string {
    const text = decodeUtf8(this.text(length), true);
    if (text === undefined) throw this.#step.error("the text is not UTF-8");
    return text;
  }

  /** Takes a line, as a view of the input without the newline. */
  line(): Uint8Array {
    const end = this.#bytes.indexOf(NEWLINE, this.#position);
    if (end < 0) throw this.#step.error("the line has no end", "ends");
    const length = end - this.#position;
    if (length > this.#limits.textBytes) throw this.#tooLong(length);
    return this.view(length + 1).subarray(0, length);
  }

  /**
   * Takes a line that `parse` reads as a number. A final `L` is dropped where `suffix` says so, as in LONG. Where the
   * number alone is refused, `isUseless` says whether what is to be done with it can't be done in any case; where it is
   * none to CPython's C unpickler, `isOthers` says whether it is one to another, and where a NUL ended it.
   */
  number<T>(
    parse: (text: string) => T | undefined,
    { suffix = false, isUseless = () => false, isOthers = () => false }: {
      suffix?: boolean;
      isUseless?: (value: T) => boolean;
      isOthers?: (text: string, isCut: boolean) => boolean;
    } = {},
  ): T {
    const start = this.#position;
    const end = this.#bytes.indexOf(NEWLINE, start);
    const rest = this.#bytes.subarray(start, end < 0 ? start + this.#limits.digits : end);
    const nul = rest.indexOf(0);
    const line = nul < 0 ? this.line() : rest.subarray(0, nul);
    const long = suffix && line.length > 0 && line[line.length - 1] === 0x4c;
    const text = long ? line.subarray(0, line.length - 1) : line;
    const signed = text[0] === 0x2b || text[0] === 0x2d;
    const digits = text.length - (signed ? 1 : 0);
    if (digits > this.#limits.digits) {
      throw this.#step.error(
        `the number has ${digits} digits, more than ${this.#limits.digits}`,
        text.some((byte) => !isNumberByte(byte)) ? "malformed" : "refused",
      );
    }
    const value = parse(decodeLatin1(text));
    if (value === undefined) {
      const others = isOthers(decodeLatin1(text), nul >= 0 && end >= 0);
      throw this.#step.error("the line is not a number", others ? "refused" : "malformed");
    }
    // For CPython's C unpickler the number ends there; for its Python one it is none.
    if (nul >= 0) {
      throw this.#step.error("the line is not a number", isUseless(value) ? "malformed" : "refused");
    }
    return value;
  }

  /** Takes a line that is a part of a global's name. */
  name(): string {
    const name = decodeUtf8(this.#nameLine(), false);
    if (name === undefined) throw this.#step.error("the name is not UTF-8", "malformed");
    return name;
  }

  /** Takes a line that is a part of a global's name in ASCII, as in INST. */
  asciiName(): string {
    const line = this.#nameLine();
    if (!isAscii(line)) throw this.#step.error("the name is not ASCII", "malformed");
    return decodeLatin1(line);
  }

  #nameLine(): Uint8Array {
    const line = this.line();
    if (line.length === 0) throw this.#step.error("the name is empty");
    return line;
  }

  #advance(length: number): number {
    this.require(length);
    const start = this.#position;
    this.#position = start + length;
    if (start < this.#frameEnd && this.#position > this.#frameEnd) {
      throw this.#step.error("it crosses the end of its frame");
    }
    return start;
  }

  #tooShort(length: number | bigint, problem: PickleProblem = "ends"): Error {
    return this.#step.error(
      `${length} bytes are needed, ${this.#bytes.length - this.#position} are left`,
      problem,
      this.#position + Number(length),
    );
  }

  #tooLong(length: number): Error {
    return this.#step.error(`the text has ${length} bytes, more than ${this.#limits.textBytes}`);
  }
}
