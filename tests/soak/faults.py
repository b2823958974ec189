"""Whatever goes wrong in a session: exceptions, warnings, Qt's messages, errors told to users."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
import warnings
from typing import Any

from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import QtMsgType, qInstallMessageHandler

__all__ = ["Faults"]

# Not of our making; each with the reason.
_OTHERS = (
    # Xvfb has no keyboard layout of its own, and no window manager that hands over the focus.
    r"xkbcommon: ERROR",
    r"This plugin does not support propagateSizeHints",
    r"This plugin does not support raise\(\)",
)


class Faults:
    """Collects faults until `close`; `now` says what is going on.

    Attributes
    ----------
    found : list of str
        What went wrong, with what was going on.
    now : str
        Put before every fault.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self.now = "start"
        self._expected: list[str] = []
        self._hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        self._handler = _Records(self)
        warnings.simplefilter("error")
        # raised by npe2 while napari's own pytest plugin is imported
        warnings.filterwarnings("ignore", module="npe2", message=".*Pydantic.*")
        self.hook()
        self._before = qInstallMessageHandler(self._qt_message)
        logging.getLogger().addHandler(self._handler)
        notification_manager.notification_ready.connect(self._notification)

    def hook(self) -> None:
        """Take the hooks (again: napari takes them when its first window opens)."""
        sys.excepthook = self._exception
        threading.excepthook = self._thread_exception
        sys.unraisablehook = self._unraisable

    def close(self) -> None:
        """Collect no more."""
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        qInstallMessageHandler(self._before)
        logging.getLogger().removeHandler(self._handler)
        notification_manager.notification_ready.disconnect(self._notification)

    def expect(self, pattern: str) -> None:
        """Let errors that match pass: the user provokes them."""
        self._expected.append(pattern)

    def add(self, kind: str, text: str) -> None:
        """Note a fault, unless it was provoked or is known not to be ours."""
        if any(re.search(pattern, text) for pattern in (*_OTHERS, *self._expected)):
            return
        self.found.append(f"[{self.now}] {kind}: {text}")
        print(f"FAULT {self.found[-1]}", flush=True)

    def _exception(self, kind: Any, value: BaseException, trace: Any) -> None:
        self.add("exception", "".join(traceback.format_exception(kind, value, trace)))

    def _thread_exception(self, args: Any) -> None:
        self._exception(args.exc_type, args.exc_value, args.exc_traceback)

    def _unraisable(self, args: Any) -> None:
        lines = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        self.add("unraisable", f"{args.err_msg} {args.object!r}\n{''.join(lines)}")

    def _qt_message(self, kind: QtMsgType, context: Any, message: str | None) -> None:
        if kind not in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg):
            self.add("Qt", str(message))

    def _notification(self, event: Any) -> None:
        notification = getattr(event, "value", event)
        if notification.severity < NotificationSeverity.WARNING:
            return
        text = notification.message
        error = getattr(notification, "exception", None)
        if error is not None:
            text = "".join(traceback.format_exception(error))
        self.add(f"{notification.severity} notification", text)


class _Records(logging.Handler):
    def __init__(self, faults: Faults) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
        self._faults.add(f"log of {record.name}", text)
