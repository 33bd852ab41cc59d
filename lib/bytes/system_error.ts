/** Whether the operating system or Deno refused something, which is no mistake of the program's. */
export function isSystemError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  // Not all have a class of their own: a full disk is an Error with the code ENOSPC. Node's own begin with ERR_.
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return Object.values(Deno.errors).some((each) => error instanceof each) ||
    (typeof code === "string" && /^E(?!RR_)[A-Z0-9]+$/.test(code)) || isSystemError(cause);
}
