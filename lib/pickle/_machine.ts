import { unescapeBytes, unescapeUnicode } from "./_escapes.ts";
import { PickleInput } from "./_input.ts";
import { decodeInteger } from "./_integer.ts";
import type { PickleProblem } from "./error.ts";
import type { PickleLimits } from "./limits.ts";
import { PickleMemo } from "./_memo.ts";
import { isPythonFloat, parseDecimal, parseFloatText, parseInt0, parseLong } from "./_number_text.ts";
import { type GlobalListener, PickleObjects } from "./_objects.ts";
import { OPCODES as OP } from "./opcodes.ts";
import { PickleStack } from "./_stack.ts";
import { Step } from "./_step.ts";
import { decodeLatin1, isAscii } from "./_utf8.ts";
import { ByteArray, PersistentId, PickleFloat, type PickleValue } from "./value.ts";

const HIGHEST_PROTOCOL = 5;

/** To `strtol`, nothing before a NUL is 0. */
const INT = { isOthers: (text: string, isCut: boolean) => isCut && text === "" };
const FLOAT = { isOthers: isPythonFloat };

type Operation = (machine: PickleMachine) => void;
type Code = Exclude<(typeof OP)[keyof typeof OP], typeof OP.STOP>;

/**
 * The machine that a pickle is a program for, after CPython 3.11 Modules/_pickle.c (the `load_*` functions):
 * the same opcodes, fence and memo, but nothing is imported and nothing is called.
 */
export class PickleMachine {
  /** What each opcode does; STOP ends the machine before. */
  static readonly #operations: Readonly<Record<number, Operation | undefined>> = {
    [OP.PROTO]: (m) => m.#proto(m.#input.uint8()),
    [OP.FRAME]: (m) => m.#input.frame(),

    [OP.NONE]: (m) => m.#stack.push(null),
    [OP.NEWTRUE]: (m) => m.#stack.push(true),
    [OP.NEWFALSE]: (m) => m.#stack.push(false),

    [OP.BININT]: (m) => m.#stack.push(m.#input.int32()),
    [OP.BININT1]: (m) => m.#stack.push(m.#input.uint8()),
    [OP.BININT2]: (m) => m.#stack.push(m.#input.uint16()),
    [OP.LONG1]: (m) => m.#integer(m.#input.uint8()),
    [OP.LONG4]: (m) => m.#integer(m.#input.int32()),
    [OP.INT]: (m) => m.#stack.push(m.#input.number(parseInt0, INT)),
    [OP.LONG]: (m) => m.#stack.push(m.#input.number(parseLong, { suffix: true })),
    [OP.BINFLOAT]: (m) => m.#stack.push(new PickleFloat(m.#input.float64())),
    [OP.FLOAT]: (m) => m.#stack.push(new PickleFloat(m.#input.number(parseFloatText, FLOAT))),

    [OP.SHORT_BINUNICODE]: (m) => m.#stack.push(m.#input.utf8(m.#input.uint8())),
    [OP.BINUNICODE]: (m) => m.#stack.push(m.#input.utf8(m.#input.uint32())),
    [OP.BINUNICODE8]: (m) => m.#stack.push(m.#input.utf8(m.#input.length64())),
    [OP.UNICODE]: (m) => m.#stack.push(m.#unescaped(unescapeUnicode(m.#input.line()))),
    [OP.SHORT_BINSTRING]: (m) => m.#string(m.#input.text(m.#input.uint8())),
    [OP.BINSTRING]: (m) => m.#string(m.#input.text(m.#input.uint32())),
    [OP.STRING]: (m) => m.#string(m.#unescaped(unescapeBytes(m.#unquote(m.#input.line())))),

    [OP.SHORT_BINBYTES]: (m) => m.#objects.make(m.#input.copy(m.#input.uint8())),
    [OP.BINBYTES]: (m) => m.#objects.make(m.#input.copy(m.#input.uint32())),
    [OP.BINBYTES8]: (m) => m.#objects.make(m.#input.copy(m.#input.length64())),
    [OP.BYTEARRAY8]: (m) => m.#objects.make(new ByteArray(m.#input.copy(m.#input.length64()))),
    [OP.NEXT_BUFFER]: (m) => m.#buffer("malformed"),
    [OP.READONLY_BUFFER]: (m) => m.#readonlyBuffer(),

    [OP.EMPTY_TUPLE]: (m) => m.#objects.tuple([]),
    [OP.TUPLE1]: (m) => m.#objects.tuple(m.#stack.popMany(1)),
    [OP.TUPLE2]: (m) => m.#objects.tuple(m.#stack.popMany(2)),
    [OP.TUPLE3]: (m) => m.#objects.tuple(m.#stack.popMany(3)),
    [OP.TUPLE]: (m) => m.#objects.tuple(m.#stack.popMark()),
    [OP.EMPTY_LIST]: (m) => m.#objects.make([]),
    [OP.LIST]: (m) => m.#objects.make(m.#stack.popMark()),
    [OP.EMPTY_DICT]: (m) => m.#objects.make(new Map()),
    [OP.DICT]: (m) => m.#objects.dict(m.#stack.popMark()),
    [OP.EMPTY_SET]: (m) => m.#objects.make(new Set()),
    [OP.FROZENSET]: (m) => m.#objects.frozenSet(m.#stack.popMark()),

    [OP.APPEND]: (m) => m.#objects.append(m.#stack.popMany(1)),
    [OP.APPENDS]: (m) => m.#objects.append(m.#stack.popMark()),
    [OP.SETITEM]: (m) => m.#objects.setItems(m.#stack.popMany(2)),
    [OP.SETITEMS]: (m) => m.#objects.setItems(m.#stack.popMark()),
    [OP.ADDITEMS]: (m) => m.#objects.addItems(m.#stack.popMark()),

    [OP.MARK]: (m) => m.#stack.mark(),
    [OP.POP]: (m) => m.#stack.drop(),
    [OP.POP_MARK]: (m) => m.#stack.popMark(),
    [OP.DUP]: (m) => m.#stack.push(m.#stack.top()),

    [OP.PUT]: (m) => m.#putByText(),
    [OP.BINPUT]: (m) => m.#put(m.#input.uint8()),
    [OP.LONG_BINPUT]: (m) => m.#put(m.#input.uint32()),
    [OP.MEMOIZE]: (m) => m.#put(m.#memo.size),
    [OP.GET]: (m) => m.#getByText(),
    [OP.BINGET]: (m) => m.#stack.push(m.#memo.get(m.#input.uint8())),
    [OP.LONG_BINGET]: (m) => m.#stack.push(m.#memo.get(m.#input.uint32())),

    [OP.GLOBAL]: (m) => m.#objects.global(m.#input.name(), m.#input.name()),
    [OP.STACK_GLOBAL]: (m) => m.#objects.stackGlobal(m.#stack.popMany(2)),
    [OP.INST]: (m) => m.#objects.inst(m.#input.asciiName(), m.#input.asciiName()),
    [OP.OBJ]: (m) => m.#objects.obj(m.#stack.popMark()),
    [OP.REDUCE]: (m) => m.#objects.reduce("call", m.#stack.popMany(2)),
    [OP.NEWOBJ]: (m) => m.#objects.reduce("new", m.#stack.popMany(2)),
    [OP.NEWOBJ_EX]: (m) => m.#objects.reduce("new_ex", m.#stack.popMany(3)),
    [OP.BUILD]: (m) => m.#objects.build(m.#stack.pop()),
    [OP.EXT1]: (m) => m.#extension(m.#input.uint8()),
    [OP.EXT2]: (m) => m.#extension(m.#input.uint16()),
    [OP.EXT4]: (m) => m.#extension(m.#input.int32()),
    [OP.PERSID]: (m) => m.#objects.persistentId(m.#input.line()),
    [OP.BINPERSID]: (m) => m.#objects.make(new PersistentId(m.#stack.pop())),
  } satisfies Record<Code, Operation>;

  readonly #step = new Step();
  readonly #limits: PickleLimits;
  readonly #input: PickleInput;
  readonly #stack: PickleStack;
  readonly #memo: PickleMemo;
  readonly #objects: PickleObjects;
  readonly #start: number;

  constructor(bytes: Uint8Array, start: number, limits: PickleLimits, onGlobal: GlobalListener | undefined) {
    this.#start = start;
    this.#limits = limits;
    this.#input = new PickleInput(bytes, start, this.#step, limits);
    this.#stack = new PickleStack(this.#step, limits);
    this.#memo = new PickleMemo(this.#step, limits);
    this.#objects = new PickleObjects(this.#step, this.#stack, limits, onGlobal);
  }

  /** Where the next opcode is; after {@linkcode run}, where the pickle ends. In bytes from the input's start. */
  get position(): number {
    return this.#input.position;
  }

  /** Runs the pickle up to its STOP and gives the value that it describes. */
  run(): PickleValue {
    const step = this.#step;
    for (let count = 1;; count++) {
      step.offset = this.#input.position - this.#start;
      const code = this.#input.next();
      if (code === undefined) throw step.end();
      step.code = code;
      if (count > this.#limits.opcodes) {
        throw step.error(`the pickle has more than ${this.#limits.opcodes} opcodes`);
      }
      if (code === OP.STOP) {
        this.#input.endFrame();
        return this.#stack.pop();
      }
      const operation = PickleMachine.#operations[code];
      if (operation === undefined) throw step.error("no protocol has it", "malformed");
      operation(this);
    }
  }

  #proto(protocol: number): void {
    if (protocol > HIGHEST_PROTOCOL) {
      throw this.#step.error(
        `protocol ${protocol} is above ${HIGHEST_PROTOCOL}, the highest that is known`,
        "malformed",
      );
    }
  }

  #buffer(problem: PickleProblem): never {
    throw this.#step.error("there are no out-of-band buffers", problem);
  }

  #readonlyBuffer(): never {
    const top = this.#stack.isEmpty ? null : this.#stack.top();
    // A str of Python 2 is bytes where the reader is told so (encoding="bytes").
    const isObject = (typeof top === "object" && top !== null) || typeof top === "string";
    return this.#buffer(isObject ? "refused" : "malformed");
  }

  #integer(length: number): void {
    if (length < 0) throw this.#step.error(`the length ${length} is negative`);
    this.#input.require(length);
    if (length > this.#limits.integerBytes) {
      throw this.#step.error(`the integer has ${length} bytes, more than ${this.#limits.integerBytes}`);
    }
    this.#stack.push(decodeInteger(this.#input.view(length)));
  }

  #unescaped<T>(text: T | undefined): T {
    if (text === undefined) throw this.#step.error("an escape in the text is broken", "malformed");
    return text;
  }

  /** A `str` of Python 2, which is text or bytes: nothing says which, so it is text just where it is ASCII. */
  #string(bytes: Uint8Array): void {
    if (isAscii(bytes)) this.#stack.push(decodeLatin1(bytes));
    else this.#objects.make(new Uint8Array(bytes));
  }

  #unquote(line: Uint8Array): Uint8Array {
    const quote = line[0];
    if (line.length < 2 || (quote !== 0x27 && quote !== 0x22) || line[line.length - 1] !== quote) {
      throw this.#step.error("the text is not quoted", "malformed");
    }
    return line.subarray(1, line.length - 1);
  }

  #putByText(): void {
    this.#put(this.#input.number(parseDecimal, { isUseless: () => this.#stack.isEmpty }));
  }

  #getByText(): void {
    const isUseless = (index: number | bigint) => !this.#memo.has(index);
    this.#stack.push(this.#memo.get(this.#input.number(parseDecimal, { isUseless })));
  }

  #put(index: number | bigint): void {
    this.#memo.put(index, this.#stack.top());
  }

  #extension(code: number): void {
    throw this.#step.error(`extension code ${code} is of no use without a registry`);
  }
}
