"""What a report is made of: everything that was gathered about a material, and the sections written from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from constitutive.audit import Audit
from constitutive.data import StressStrainData
from constitutive.laws import Law
from constitutive.material import Material
from constitutive.plain import JsonObject
from constitutive.plots import Curve
from constitutive.report.markup import Content

LAW, LINEAR, FREE = "learned law", "linear elasticity", "unconstrained network"
ORDERS = (2, 3)


@dataclass(frozen=True)
class Known:
    """Everything that a report is made of.

    Attributes
    ----------
    material : Material
    data : StressStrainData or None
        What it was calibrated on.
    audit : Audit
    baselines : dict
        Laws to compare with, by name.
    curves : dict
        Learning curves by law.
    unseen : StressStrainData or None
        States that no law was calibrated on; the data's own ``paths`` where none are given.
    curves_note : str
        A remark for the caption of the learning curves.
    """

    material: Material
    data: StressStrainData | None
    audit: Audit
    baselines: dict[str, Law] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    unseen: StressStrainData | None = None
    curves_note: str = ""

    @property
    def laws(self) -> dict[str, Law]:
        """The law and its baselines by name, the law first."""
        return {LAW: self.material.law, **self.baselines}

    @property
    def calibration(self) -> JsonObject:
        """The calibration's entry of the card."""
        found = self.material.card.get("calibration", {})
        return found if isinstance(found, dict) else {}

    @property
    def held_out(self) -> StressStrainData | None:
        """States that no law was calibrated on."""
        return held_out_of(self.data, self.unseen)


def held_out_of(data: StressStrainData | None, unseen: StressStrainData | None) -> StressStrainData | None:
    """Unseen states where they were given, else the held-out paths of the data, else none."""
    return unseen if unseen is not None or data is None else data.paths_data()


@dataclass(frozen=True)
class Section:
    """A part of the page: its identity in links, its title, its HTML.

    Attributes
    ----------
    identity : str
        Of its element, for links within the page.
    title : str
    content : list
        Text, which is escaped, and finished HTML.
    """

    identity: str
    title: str
    content: list[Content]
