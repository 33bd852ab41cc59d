import { describe } from "./_describe.ts";
import type { PickleLimits } from "./limits.ts";
import type { Step } from "./_step.ts";
import type { PickleValue } from "./value.ts";

/**
 * The stack of the machine that a pickle is a program for.
 *
 * Marks are kept apart from values, as in CPython's C unpickler. The latest mark is a fence: an opcode that
 * takes values takes none from below it.
 */
export class PickleStack {
  readonly #values: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #step: Step;
  readonly #limits: PickleLimits;
  #fence = 0;

  constructor(step: Step, limits: PickleLimits) {
    this.#step = step;
    this.#limits = limits;
  }

  push(value: PickleValue): void {
    if (this.#values.length >= this.#limits.stack) {
      throw this.#step.error(`the stack holds ${this.#limits.stack} values, the most that is allowed`);
    }
    this.#values.push(value);
  }

  /** Whether there is nothing on it that an opcode could take. */
  get isEmpty(): boolean {
    return this.#values.length <= this.#fence;
  }

  pop(): PickleValue {
    if (this.isEmpty) throw this.#underflow();
    return this.#values.pop()!;
  }

  /** Takes the top values, the lowest first. */
  popMany(count: number): PickleValue[] {
    const start = this.#values.length - count;
    if (start < this.#fence) throw this.#underflow();
    return this.#cut(start);
  }

  top(): PickleValue {
    if (this.isEmpty) throw this.#underflow();
    return this.#values[this.#values.length - 1]!;
  }

  /** Sets a mark on top. */
  mark(): void {
    if (this.#marks.length >= this.#limits.marks) {
      throw this.#step.error(`the stack holds ${this.#limits.marks} marks, the most that is allowed`);
    }
    this.#fence = this.#values.length;
    this.#marks.push(this.#fence);
  }

  /** Takes the values down to the latest mark, the lowest first, and the mark. */
  popMark(): PickleValue[] {
    const start = this.#marks.pop();
    if (start === undefined) throw this.#step.error("the stack holds no mark", "malformed");
    this.#lowerFence();
    return this.#cut(start);
  }

  /** Drops what is on top: a mark or a value. */
  drop(): void {
    if (this.#marks.length > 0 && this.#fence === this.#values.length) {
      this.#marks.pop();
      this.#lowerFence();
    } else {
      this.pop();
    }
  }

  #lowerFence(): void {
    this.#fence = this.#marks[this.#marks.length - 1] ?? 0;
  }

  #cut(start: number): PickleValue[] {
    const values = this.#values.slice(start);
    this.#values.length = start;
    return values;
  }

  #underflow(): Error {
    const count = this.#values.length - this.#fence;
    const where = this.#marks.length > 0 ? "above its latest mark" : "in all";
    const top = count > 0 ? `, ${describe(this.#values[this.#values.length - 1]!)} on top` : "";
    return this.#step.error(`the stack holds too few values: ${count} ${where}${top}`, "malformed");
  }
}
