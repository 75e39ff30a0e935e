"""Emphasis, paired as CommonMark says: a stack of delimiter runs, on which each run that can end something looks for where it began."""

from med42_chat.markup.pieces import Run


class Runs:
    """The runs that may still begin or end something, as a chain whose newest is `last`."""

    def __init__(self) -> None:
        self.last: Run | None = None

    def push(self, run: Run) -> None:
        """Puts a run on top."""
        run.previous = self.last
        if self.last:
            self.last.next = run
        self.last = run

    def pair(self, bottom: Run | None) -> None:
        """Pairs the delimiters above `bottom`, inner ones first, and takes them off the stack."""
        floors: dict[tuple[str, bool, int], int] = {}
        closer = self._first_above(bottom)
        while closer:
            opener = self._opener(closer, bottom, floors) if closer.closes else None
            if opener is None:
                following = closer.next
                if closer.closes and not closer.opens:
                    self._remove(closer)
                closer = following
                continue
            closer = self._join(opener, closer)
        self.last = bottom
        if bottom:
            bottom.next = None

    def _first_above(self, bottom: Run | None) -> Run | None:
        run = self.last
        if run is bottom:
            return None
        while run and run.previous is not bottom:
            run = run.previous
        return run

    def _opener(self, closer: Run, bottom: Run | None, floors: dict[tuple[str, bool, int], int]) -> Run | None:
        """The nearest run that `closer` can end. `floors` keeps failed searches from being made again, which would be quadratic."""
        key = (closer.character, closer.opens, closer.length % 3)
        floor = floors.get(key, -1)
        run = closer.previous
        while run and run is not bottom and run.place > floor:
            if run.pairs_with(closer):
                return run
            run = run.previous
        floors[key] = closer.previous.place if closer.previous else -1
        return None

    def _join(self, opener: Run, closer: Run) -> Run | None:
        """Makes one element between two runs; answers where to go on."""
        used = 2 if min(opener.count, closer.count) >= 2 else 1
        opener.begins.append("del" if closer.character == "~" else "strong" if used == 2 else "em")
        closer.ends += 1
        opener.count -= used
        closer.count -= used
        opener.next, closer.previous = closer, opener
        if not opener.count:
            self._remove(opener)
        if closer.count:
            return closer
        self._remove(closer)
        return closer.next

    def _remove(self, run: Run) -> None:
        if run.previous:
            run.previous.next = run.next
        if run.next:
            run.next.previous = run.previous
        else:
            self.last = run.previous
