"""What one training step computes: the loss of a recipe for a batch of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import nn

from sdd_bench.alignment.flow import FlowBackend
from sdd_bench.errors import TrainingError
from sdd_bench.training.deformation import deblurring_loss, deform
from sdd_bench.training.losses import charbonnier, edge_loss
from sdd_bench.training.reblurring_network import Reblurred
from sdd_bench.training.recipe import ObjectiveSettings

_FAINT = 0.001  # what the defocus map of RGL is multiplied by where training begins


class Step(NamedTuple):
    """The loss of a batch and what it was made of.

    Attributes:
        loss: a scalar, to be minimised.
        terms: its summands as they come in, weights included, without gradient.
        deblurred: N x 3 x H x W, the network's output.
        sharp: N x 3 x H x W, what it was held against: the sharp picture, deformed where the recipe says so.
        mask: N x 1 x H x W bool, its pixels that count; None where all do.
        reblurred: the deblurred picture blurred again; None where the recipe or the epoch has none.
    """

    loss: torch.Tensor
    terms: dict[str, torch.Tensor]
    deblurred: torch.Tensor
    sharp: torch.Tensor
    mask: torch.Tensor | None
    reblurred: Reblurred | None


class Objective:
    """The loss of a recipe.

    Args:
        settings: of the recipe.
        flow: computes flow without gradient; None for a recipe that deforms nothing.
        reblurring_alone: epochs in which the reblurring module learns alone, after the initial ones.
    """

    def __init__(self, settings: ObjectiveSettings, flow: FlowBackend | None, reblurring_alone: int = 0) -> None:
        if settings.deform and flow is None:
            raise TrainingError("this recipe deforms pictures: it needs a flow.")
        self.settings = settings
        self.flow = flow
        self.reblurring_alone = reblurring_alone

    def __call__(
        self,
        network: nn.Module,
        reblurring: nn.Module | None,
        blurry: torch.Tensor,
        sharp: torch.Tensor,
        epoch: int,
        counted: torch.Tensor | None = None,
    ) -> Step:
        """Computes the loss of a batch.

        Args:
            network: deblurs; of a guided one also the seeds are asked for.
            reblurring: a `ReblurringNetwork`; None where the recipe has none.
            blurry: N x 3 x H x W in [0, 1].
            sharp: the same shape; it may be misaligned.
            epoch: from 0; the first ones have a loss of their own.
            counted: N x 1 x H x W bool, the pixels of a sharp picture as it is that count; None where all do, and for
                recipes that deform it, which find out themselves.
        """
        again = self.settings.reblurring
        initial = epoch < self.settings.initial_epochs
        alone = not initial and epoch < self.settings.initial_epochs + self.reblurring_alone
        if alone and reblurring is not None and again is not None:
            return self._module_alone(network, reblurring, again.weight, blurry, sharp, epoch)
        stages, seeds = self._deblur(network, blurry, epoch)
        deblurred = stages[0]
        if self.flow is None or not self.settings.deform:
            target, mask = sharp, counted
            losses = [charbonnier(stage, sharp, counted) for stage in stages]
        elif initial:
            deformed = deform(
                sharp,
                blurry,
                self.flow,
                mask="none",
                inside_only=self.settings.inside_only,
                interpolation=self.settings.interpolation,
            )
            target, mask = deformed.picture, deformed.mask
            losses = [charbonnier(stage, target, mask) for stage in stages]
        else:
            found = [
                deblurring_loss(
                    stage,
                    sharp,
                    self.flow,
                    mask=self.settings.mask,
                    inside_only=self.settings.inside_only,
                    cycle=self.settings.cycle,
                    interpolation=self.settings.interpolation,
                )
                for stage in stages
            ]
            target, mask = found[0].sharp.picture, found[0].sharp.mask
            losses = [each.loss for each in found]
        terms = {"deblurring": torch.stack(losses).sum()}
        if self.settings.edge_weight:
            within = 1.0 if mask is None else mask
            edges = [edge_loss(stage * within, target * within) for stage in stages]
            terms["edges"] = self.settings.edge_weight * torch.stack(edges).sum()
        reblurred = None
        if reblurring is not None and again is not None and not initial:
            reblurred = cast(Reblurred, reblurring(deblurred, blurry))
            terms["reblurring"] = again.weight * charbonnier(blurry, reblurred.picture)
            if self.settings.guidance is not None and seeds is not None:
                aim = reblurred.seeds.detach() if self.settings.guidance.detach else reblurred.seeds
                terms["defocus_map"] = self.settings.guidance.weight * charbonnier(seeds.float(), aim.float())
        return _step(terms, deblurred, target, mask, reblurred)

    def _deblur(
        self, network: nn.Module, blurry: torch.Tensor, epoch: int
    ) -> tuple[Sequence[torch.Tensor], torch.Tensor | None]:
        """The outputs of all stages, the final one first, and the seeds of a guided network."""
        seeds = None
        if self.settings.guidance is not None:
            ramp = min((epoch + 1) / max(self.settings.initial_epochs, 1), 1.0)
            output, seeds = network(blurry, strength=_FAINT + (1 - _FAINT) * ramp, with_seeds=True)
        else:
            output = network(blurry)
        return (output,) if isinstance(output, torch.Tensor) else tuple(output), seeds

    def _module_alone(
        self,
        network: nn.Module,
        reblurring: nn.Module,
        weight: float,
        blurry: torch.Tensor,
        sharp: torch.Tensor,
        epoch: int,
    ) -> Step:
        with torch.no_grad():
            stages, seeds = self._deblur(network, blurry, epoch)
        reblurred = cast(Reblurred, reblurring(stages[0], blurry))
        terms = {"reblurring": weight * charbonnier(blurry, reblurred.picture)}
        guidance = self.settings.guidance
        if guidance is not None and not guidance.detach and seeds is not None:
            # Alone, seeds grow without bound, and the estimator could not follow them without upsetting the network.
            terms["defocus_map"] = guidance.weight * charbonnier(seeds.float(), reblurred.seeds.float())
        return _step(terms, stages[0], sharp, None, reblurred)


def _step(
    terms: dict[str, torch.Tensor],
    deblurred: torch.Tensor,
    sharp: torch.Tensor,
    mask: torch.Tensor | None,
    reblurred: Reblurred | None,
) -> Step:
    loss = torch.stack(list(terms.values())).sum()
    return Step(loss, {name: term.detach() for name, term in terms.items()}, deblurred, sharp, mask, reblurred)
