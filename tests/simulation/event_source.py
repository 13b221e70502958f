"""EventSource: what happens to a simulated engine, drawn move by move."""

from collections.abc import Callable

from chooser import Chooser
from knobs import NAMESPACES, draw_terms
from limb import Limb
from random_operations import RandomOperations, Wording
from random_plans import PlanDrawing
from tiny_language import FAULTY_CONSTRAINTS, WORDING
from world import World

from palmette.lang.ir import Fork, Gen, Join, Operation, Text, Tokens
from palmette.lang.sampling_params import SamplingParams

MAX_LIMBS = 24


class EventSource:
    """Draws moves for a world: arrivals whose prompts share and nest prefixes, and all that may befall them."""

    def __init__(self, world: World, chooser: Chooser, wording: Wording = WORDING) -> None:
        self.world = world
        self.chooser = chooser
        self.wording = wording
        self._prompts: list[tuple[int, ...]] = []

    def play(self, num_moves: int) -> None:
        """So many moves, one after another."""
        moves = [(move, weight) for move, weight in self._moves() for _ in range(weight)]
        for _ in range(num_moves):
            self.chooser.pick(moves)[0]()

    def _moves(self) -> list[tuple[Callable[[], None], int]]:
        """Every move, and how often it is made; one that cannot be made does nothing."""
        moves: list[tuple[Callable[[], None], int]] = [
            (self.step, self.world.knobs.calm),
            (self.arrive, 8),
            (self.arrive_together, 4),
            (self.start_plan, 3),
            (self.go_on, 6),
            (self.join, 3),
            (self.cancel, 2),
            (self.cancel_plan, 1),
            (self.close, 2),
            (self.hold, 1),
            (self.flush, 1),
            (self.wait, 1),
        ]
        if self.world.knobs.has_faults:
            moves += [(self.fail_pass, 1), (self.fail_sampling, 1), (self.fail_detokenizer, 1), (self.fail_matcher, 1)]
        return moves

    # --- moves

    def step(self) -> None:
        """A few steps of the engine."""
        for _ in range(self.chooser.pick((1, 1, 2, 3, 8))):
            self.world.step()

    def arrive(self) -> None:
        """A request on a branch of its own."""
        if len(self._limbs()) < MAX_LIMBS:
            limb = self.world.open(self.chooser.pick(NAMESPACES))
            self._submit(limb, [self._prompt(), *self._operations()])

    def arrive_together(self) -> None:
        """Requests with the same prompt, at once."""
        prompt = self._prompt()
        for _ in range(self.chooser.integer(2, 6)):
            if len(self._limbs()) < MAX_LIMBS:
                self._submit(self.world.open(""), [prompt, *self._operations()])

    def go_on(self) -> None:
        """More operations for a branch that exists, busy or not, alive or not."""
        limbs = [limb for limb in self._limbs() if limb.plan is None]
        if limbs:
            self._submit(self.chooser.pick(limbs), self._operations())

    def join(self) -> None:
        """A branch takes in its children, and goes on."""
        parents = [limb for limb in self._limbs() if limb.is_alive and not limb.is_busy and self._ready_children(limb)]
        if parents:
            parent = self.chooser.pick(parents)
            children = self._ready_children(parent)
            join = Join(tuple(child.branch_id for child in children))
            self._submit(parent, [join, *self._operations()], joined=children)
            for child in children:
                if self.chooser.chance(70):
                    self.world.close(child)

    def start_plan(self) -> None:
        """A whole program."""
        if sum(not plan.is_done for plan in self.world.plans) < 6:
            chooser = self.chooser
            drawing = PlanDrawing(chooser, RandomOperations(chooser, self.wording, is_rich=True))
            prompts = tuple(self._token_prompt() for _ in range(2))
            drawn = drawing.draw(chooser.integer(1, 10), 6, prompts)
            is_streaming = chooser.chance(50)
            deaf_after = self._deaf_after()
            terms = draw_terms(self.world.knobs, chooser)
            namespace = chooser.pick(NAMESPACES)
            idle = [limb for limb in self._limbs() if limb.is_alive and not limb.is_busy]
            root = chooser.pick(idle) if idle and chooser.chance(40) else None
            self.world.start_plan(
                drawn, namespace, terms=terms, is_streaming=is_streaming, deaf_after=deaf_after, root=root
            )

    def cancel(self) -> None:
        """Cancel a request; one that has ended rather where another is at work on its branch."""
        watches = [watch for limb in self._limbs() for watch in limb.watches]
        if watches:
            self.world.cancel(self.chooser.pick([watch for watch in watches if watch.limb.is_busy] or watches))

    def cancel_plan(self) -> None:
        """Cancel a plan, which may have ended."""
        if self.world.plans:
            self.world.cancel_plan(self.chooser.pick(self.world.plans))

    def close(self) -> None:
        """Close a branch."""
        if self._limbs():
            self.world.close(self.chooser.pick(self._limbs()))

    def hold(self) -> None:
        """Hold a branch for a while."""
        if self._limbs():
            self.world.hold(self.chooser.pick(self._limbs()), self.chooser.pick((0.002, 0.02, 5.0)))

    def flush(self) -> None:
        """Flush the cache."""
        self.world.flush()

    def wait(self) -> None:
        """Time goes by."""
        self.world.wait(self.chooser.pick((0.001, 0.1, 10.0)))

    # --- faults

    def fail_pass(self) -> None:
        """A forward pass fails."""
        self.world.fail_pass()

    def fail_sampling(self) -> None:
        """The sampler fails for one branch."""
        if self._limbs():
            self.world.fail_sampling(self.chooser.pick(self._limbs()))

    def fail_detokenizer(self) -> None:
        """A detokeniser fails."""
        self.world.fail_detokenizer(self.chooser.integer(0, 2))

    def fail_matcher(self) -> None:
        """A request whose matcher fails on its way."""
        params = SamplingParams(max_new_tokens=6, temperature=1.0, n=self.chooser.integer(1, 2))
        failing = Gen("x", params, self.chooser.pick(FAULTY_CONSTRAINTS))
        self._submit(self.world.open(""), [self._prompt(), failing, *self._operations()])

    # --- parts

    def _limbs(self) -> list[Limb]:
        return [limb for limb in self.world.limbs if not limb.is_closed]

    def _ready_children(self, parent: Limb) -> list[Limb]:
        return [limb for limb in self._limbs() if limb.parent is parent and limb.is_alive and not limb.is_busy]

    def _submit(self, limb: Limb, operations: list[Operation], *, joined: list[Limb] | None = None) -> None:
        terms = draw_terms(self.world.knobs, self.chooser)
        self.world.submit(limb, operations, terms=terms, joined=joined or (), deaf_after=self._deaf_after())

    def _deaf_after(self) -> int | None:
        if self.world.knobs.has_faults and self.chooser.chance(4):
            return self.chooser.integer(0, 6)
        return None

    def _prompt(self) -> Operation:
        if self.chooser.chance(self.wording.prompt_percent):
            return Text(
                "".join(self.chooser.pick(self.wording.texts) for _ in range(self.chooser.integer(1, 4)))
                + self.wording.prompt_end
            )
        return Tokens(self._token_prompt())

    def _token_prompt(self) -> tuple[int, ...]:
        """Token ids that begin, more often than not, as others did."""
        chooser = self.chooser
        head: tuple[int, ...] = ()
        if self._prompts and chooser.chance(75):
            known = chooser.pick(self._prompts)
            head = known[: chooser.integer(0, len(known))]
        tail = tuple(chooser.pick(self.wording.token_ids) for _ in range(chooser.pick((0, 1, 2, 3, 5, 8, 13, 34))))
        prompt = (head + tail)[:120] or (1,)
        self._prompts.append(prompt)
        return prompt

    def _operations(self) -> list[Operation]:
        chooser, operations = self.chooser, RandomOperations(self.chooser, self.wording, is_rich=True)
        drawn: list[Operation] = []
        for _ in range(chooser.integer(0, 3)):
            match chooser.pick(("gen", "gen", "gen", "text", "select", "score", "samples", "fork", "tokens")):
                case "gen":
                    drawn.append(operations.gen())
                case "text":
                    drawn.append(operations.text())
                case "select":
                    drawn.append(operations.select())
                case "score":
                    drawn.append(operations.score())
                case "samples":
                    drawn.append(operations.gen(n=chooser.integer(2, 5)))
                case "tokens":
                    drawn.append(Tokens(operations.token_ids(4)))
                case "fork":
                    drawn.append(Fork(chooser.integer(1, 3)))
        return drawn
