/**
 * Python 2's names for what Python 3 has moved. CPython's picklers write them up to protocol 2, so that Python 2
 * could read the result ("fix_imports"; the names are those of CPython 3.11 Lib/_compat_pickle.py).
 */

import { Global } from "./value.ts";

/** Modules that have another name: Python 3's, Python 2's. */
const MODULES = new Map<string, string>([
  ["_bz2", "bz2"],
  ["_dbm", "dbm"],
  ["_dummy_thread", "dummy_thread"],
  ["_functools", "functools"],
  ["_gdbm", "gdbm"],
  ["_markupbase", "markupbase"],
  ["_pickle", "pickle"],
  ["_thread", "thread"],
  ["builtins", "__builtin__"],
  ["collections.abc", "_abcoll"],
  ["configparser", "ConfigParser"],
  ["copyreg", "copy_reg"],
  ["dbm", "anydbm"],
  ["dbm.bsd", "dbhash"],
  ["dbm.dumb", "dumbdbm"],
  ["dbm.gnu", "gdbm"],
  ["dbm.ndbm", "dbm"],
  ["html.entities", "htmlentitydefs"],
  ["html.parser", "HTMLParser"],
  ["http.client", "httplib"],
  ["http.cookiejar", "cookielib"],
  ["http.cookies", "Cookie"],
  ["http.server", "BaseHTTPServer"],
  ["queue", "Queue"],
  ["reprlib", "repr"],
  ["socketserver", "SocketServer"],
  ["subprocess", "commands"],
  ["test.support", "test.test_support"],
  ["tkinter", "Tkinter"],
  ["tkinter.colorchooser", "tkColorChooser"],
  ["tkinter.commondialog", "tkCommonDialog"],
  ["tkinter.constants", "Tkconstants"],
  ["tkinter.dialog", "Dialog"],
  ["tkinter.dnd", "Tkdnd"],
  ["tkinter.filedialog", "tkFileDialog"],
  ["tkinter.font", "tkFont"],
  ["tkinter.messagebox", "tkMessageBox"],
  ["tkinter.scrolledtext", "ScrolledText"],
  ["tkinter.simpledialog", "tkSimpleDialog"],
  ["tkinter.tix", "Tix"],
  ["tkinter.ttk", "ttk"],
  ["urllib.parse", "urlparse"],
  ["urllib.request", "urllib2"],
  ["urllib.robotparser", "robotparser"],
  ["winreg", "_winreg"],
  ["xmlrpc.client", "xmlrpclib"],
  ["xmlrpc.server", "SimpleXMLRPCServer"],
]);

/** Names that have moved to another module, or changed: Python 3's full name, Python 2's module and name. */
const NAMES = new Map<string, readonly [module: string, name: string]>([
  ["_functools.reduce", ["__builtin__", "reduce"]],
  ["_socket.socket", ["socket", "_socketobject"]],
  ["builtins.chr", ["__builtin__", "unichr"]],
  ["builtins.filter", ["itertools", "ifilter"]],
  ["builtins.int", ["__builtin__", "long"]],
  ["builtins.map", ["itertools", "imap"]],
  ["builtins.range", ["__builtin__", "xrange"]],
  ["builtins.str", ["__builtin__", "unicode"]],
  ["builtins.zip", ["itertools", "izip"]],
  ["collections.UserDict", ["UserDict", "IterableUserDict"]],
  ["collections.UserList", ["UserList", "UserList"]],
  ["collections.UserString", ["UserString", "UserString"]],
  ["dbm.whichdb", ["whichdb", "whichdb"]],
  ["functools.reduce", ["__builtin__", "reduce"]],
  ["http.server.CGIHTTPRequestHandler", ["CGIHTTPServer", "CGIHTTPRequestHandler"]],
  ["http.server.SimpleHTTPRequestHandler", ["SimpleHTTPServer", "SimpleHTTPRequestHandler"]],
  ["itertools.filterfalse", ["itertools", "ifilterfalse"]],
  ["itertools.zip_longest", ["itertools", "izip_longest"]],
  ["multiprocessing.connection.Connection", ["_multiprocessing", "Connection"]],
  ["multiprocessing.context.AuthenticationError", ["multiprocessing", "AuthenticationError"]],
  ["multiprocessing.context.BufferTooShort", ["multiprocessing", "BufferTooShort"]],
  ["multiprocessing.context.Process", ["multiprocessing.process", "Process"]],
  ["multiprocessing.context.ProcessError", ["multiprocessing", "ProcessError"]],
  ["multiprocessing.context.TimeoutError", ["multiprocessing", "TimeoutError"]],
  ["multiprocessing.popen_fork.Popen", ["multiprocessing.forking", "Popen"]],
  ["socket.fromfd", ["_socket", "fromfd"]],
  ["sys.intern", ["__builtin__", "intern"]],
  ["tkinter.filedialog.FileDialog", ["FileDialog", "FileDialog"]],
  ["tkinter.filedialog.LoadFileDialog", ["FileDialog", "LoadFileDialog"]],
  ["tkinter.filedialog.SaveFileDialog", ["FileDialog", "SaveFileDialog"]],
  ["tkinter.simpledialog.SimpleDialog", ["SimpleDialog", "SimpleDialog"]],
  ["urllib.error.ContentTooShortError", ["urllib", "ContentTooShortError"]],
  ["urllib.error.HTTPError", ["urllib2", "HTTPError"]],
  ["urllib.error.URLError", ["urllib2", "URLError"]],
  ["urllib.parse.quote", ["urllib", "quote"]],
  ["urllib.parse.quote_plus", ["urllib", "quote_plus"]],
  ["urllib.parse.unquote", ["urllib", "unquote"]],
  ["urllib.parse.unquote_plus", ["urllib", "unquote_plus"]],
  ["urllib.parse.urlencode", ["urllib", "urlencode"]],
  ["urllib.request.getproxies", ["urllib", "getproxies"]],
  ["urllib.request.pathname2url", ["urllib", "pathname2url"]],
  ["urllib.request.url2pathname", ["urllib", "url2pathname"]],
  ["urllib.request.urlcleanup", ["urllib", "urlcleanup"]],
  ["urllib.request.urlopen", ["urllib", "urlopen"]],
  ["urllib.request.urlretrieve", ["urllib", "urlretrieve"]],
  ["xmlrpc.server.DocCGIXMLRPCRequestHandler", ["DocXMLRPCServer", "DocCGIXMLRPCRequestHandler"]],
  ["xmlrpc.server.DocXMLRPCRequestHandler", ["DocXMLRPCServer", "DocXMLRPCRequestHandler"]],
  ["xmlrpc.server.DocXMLRPCServer", ["DocXMLRPCServer", "DocXMLRPCServer"]],
  ["xmlrpc.server.ServerHTMLDoc", ["DocXMLRPCServer", "ServerHTMLDoc"]],
  ["xmlrpc.server.XMLRPCDocGenerator", ["DocXMLRPCServer", "XMLRPCDocGenerator"]],
  ["builtins.ModuleNotFoundError", ["exceptions", "ImportError"]],
]);

/** Builtins that are in Python 2's module `exceptions`, by the same name. */
const EXCEPTIONS = new Set(
  `
  ArithmeticError AssertionError AttributeError BaseException BufferError BytesWarning
  DeprecationWarning EOFError EnvironmentError Exception FloatingPointError FutureWarning
  GeneratorExit IOError ImportError ImportWarning IndentationError IndexError KeyError
  KeyboardInterrupt LookupError MemoryError NameError NotImplementedError OSError OverflowError
  PendingDeprecationWarning ReferenceError RuntimeError RuntimeWarning StopIteration SyntaxError
  SyntaxWarning SystemError SystemExit TabError TypeError UnboundLocalError UnicodeDecodeError
  UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError
  Warning ZeroDivisionError
`.trim().split(/\s+/),
);

/** Builtins that Python 2 doesn't have. They become the `OSError` that they are. */
const OS_ERRORS = new Set(
  `
  BrokenPipeError ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError
  ConnectionResetError FileExistsError FileNotFoundError InterruptedError IsADirectoryError
  NotADirectoryError PermissionError ProcessLookupError TimeoutError
`.trim().split(/\s+/),
);

/**
 * Gives a global its name in Python 2.
 *
 * @param global A global, by its name in Python 3.
 * @returns The global itself where its name hasn't changed. Python 2's own names are such, but for the module
 * `dbm`, which is another one in Python 3.
 */
export function python2Global(global: Global): Global {
  const { module, name } = global;
  if (module === "builtins" && EXCEPTIONS.has(name)) return new Global("exceptions", name);
  if (module === "builtins" && OS_ERRORS.has(name)) return new Global("exceptions", "OSError");
  const renamed = NAMES.get(`${module}.${name}`);
  if (renamed !== undefined) return new Global(...renamed);
  const moved = MODULES.get(module);
  return moved === undefined ? global : new Global(moved, name);
}
