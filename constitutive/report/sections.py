"""The sections of a report, each a function from what is known to its HTML, in their order on the page."""

from __future__ import annotations

from collections.abc import Callable

from constitutive.report.known import FREE, LAW, LINEAR, Known, Section
from constitutive.report.limits import audit_table, domain, stability
from constitutive.report.moduli import directional, elastic_constants
from constitutive.report.origin import choice, crystal, provenance
from constitutive.report.piezoelectricity import piezoelectricity
from constitutive.report.quality import accuracy, along_paths, learning

__all__ = ["FREE", "LAW", "LINEAR", "SECTIONS", "Known", "Section"]

SECTIONS: tuple[Callable[[Known], Section | None], ...] = (
    crystal,
    provenance,
    choice,
    learning,
    accuracy,
    along_paths,
    elastic_constants,
    directional,
    piezoelectricity,
    stability,
    domain,
    audit_table,
)
