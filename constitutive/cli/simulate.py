"""``constitutive simulate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constitutive.cli.console import ProgressBar, emit, err, out, say_note
from constitutive.cli.options import JsonOption, percent, positive, require_other_file
from constitutive.errors import DataError

if TYPE_CHECKING:
    from constitutive.plain import JsonObject
    from constitutive.simulate import CalculatorSpec, Simulation, SimulationSettings

CalculatorOption = Annotated[
    str,
    typer.Option(
        "--calculator", help="A name, a YAML file (calculator: NAME and options) or module:function.", metavar="CALC", show_default=False
    ),
]
SettingOption = Annotated[
    list[str] | None, typer.Option("--set", help="An option of the calculator, as pair_style=sw; repeatable.", metavar="KEY=VALUE")
]
WorkersOption = Annotated[int, typer.Option(help="Processes on this machine; 0 computes in this one.", metavar="N", min=0)]
SchedulerOption = Annotated[
    str | None, typer.Option(help="Address of a dask scheduler, such as tcp://host:8786.", metavar="ADDRESS", show_default=False)
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(help="Seconds for one sample, and for one calculation of the relaxation.", callback=positive, show_default=False),
]
BatchOption = Annotated[
    int,
    typer.Option(
        help="Samples whose cells the calculator evaluates together, in this process: chgnet, or your own with evaluate_batch.",
        metavar="N",
        min=1,
    ),
]
ForceOption = Annotated[
    float | None,
    typer.Option(help="Largest force left on an ion, eV/Å; by default as tight as the law needs.", callback=positive, show_default=False),
]
ClampedOption = Annotated[bool, typer.Option("--clamped", help="Leave the ions at their affine places.")]
PredictOption = Annotated[
    bool,
    typer.Option("--predict-ions", help="Start the ions where the samples so far have them: fewer runs of a dear calculator."),
]
KeepStressOption = Annotated[
    bool, typer.Option("--keep-residual-stress", help="Leave the cell of the reference as it is, with its stress.")
]
UnstableOption = Annotated[
    str, typer.Option(help="Where the relaxed crystal leaves its group: stop, keep the group, or follow it.", metavar="stop|keep|follow")
]
LookOption = Annotated[
    bool,
    typer.Option("--skip-stability", help="No relaxation without the group and no force constants at Γ: fewer runs of a dear calculator."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan, from constitutive plan -o.", show_default=False)],
    calculator: CalculatorOption,
    output: Annotated[Path, typer.Option("-o", "--out", help="Data set to write (.json, .h5).", metavar="DATA", show_default=False)],
    option: SettingOption = None,
    workers: WorkersOption = 0,
    scheduler: SchedulerOption = None,
    time_limit: TimeLimitOption = None,
    batch: BatchOption = 1,
    force: ForceOption = None,
    clamped: ClampedOption = False,
    predict_ions: PredictOption = False,
    keep_residual_stress: KeepStressOption = False,
    if_unstable: UnstableOption = "stop",
    skip_stability: LookOption = False,
    target: Annotated[
        str | None,
        typer.Option(
            help="Relative error of the law, such as 1%, against which the noise is judged.", metavar="PERCENT", show_default=False
        ),
    ] = None,
    temperature: Annotated[
        str | None, typer.Option(help="Stresses at a temperature, K; of qha several, as 100,300,500.", metavar="K,...", show_default=False)
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Of --temperature: molecular dynamics, or phonons in the strained cells.", metavar="md|qha", show_default=False),
    ] = None,
    md_steps: Annotated[
        int | None,
        typer.Option(help="Of md: steps of each average, 2000; a quarter more go before it.", metavar="N", min=40, show_default=False),
    ] = None,
    timestep: Annotated[float | None, typer.Option(help="Of md, fs; 2.", callback=positive, show_default=False)] = None,
    supercell: Annotated[
        float | None, typer.Option(help="Smallest length of the supercell of --method, Å; 10.", callback=positive, show_default=False)
    ] = None,
    q_mesh: Annotated[
        int | None,
        typer.Option(
            "--q-mesh", help="Of qha: wave vectors, in multiples of those of the supercell; 4.", metavar="N", min=1, show_default=False
        ),
    ] = None,
    run_folder: Annotated[
        Path | None, typer.Option(help="Folder of the journal; by default beside DATA.", metavar="DIR", show_default=False)
    ] = None,
    reference_of: Annotated[
        Path | None,
        typer.Option(
            help="Folder of an earlier run with the same crystal and calculator (of a build: DIR/build/reference), whose relaxed "
            "reference is taken.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the stresses of a plan with any ASE calculator.

    The calculator is examined (noise, objectivity, symmetry, energy against stress), the reference relaxed under its group and without
    it, and the ions relaxed in every strained cell. Every finished sample is kept at once: after a crash, the same command goes on
    where it stopped. A sample that fails is tried again with other settings, then named and left out.

    Exit codes: 0 written, 1 written without some samples, 2 refused (finished samples are kept).

    [bold]Examples[/]

      [dim]constitutive simulate plan.json --calculator emt -o data.json[/]
      [dim]constitutive simulate plan.json --calculator calc.yaml --workers 4 -o data.json[/]
      [dim]constitutive simulate unseen.json --calculator calc.yaml --reference-of data.run -o unseen_data.json[/]
      [dim]constitutive simulate plan.json --calculator my_module:make --scheduler tcp://head:8786 -o data.json[/]
      [dim]constitutive simulate plan.json --calculator calc.yaml --temperature 100,300,500 --method qha -o data.json[/]
    """
    from constitutive.data.plan import Plan  # deferred: quick --help
    from constitutive.simulate import prepared_before, run_folder_of  # deferred: quick --help
    from constitutive.simulate import simulate as run  # deferred: quick --help

    if output.suffix not in (".json", ".h5", ".hdf5"):
        raise DataError(f"-o: found {output}; needed a file that ends in .json, .h5 or .hdf5")
    require_other_file("simulate", plan, output)
    spec = spec_of(calculator, option)
    settings = settings_of(
        workers=workers, scheduler=scheduler, time_limit=time_limit, batch=batch, force=force, clamped=clamped,
        target=None if target is None else percent(target),
        keep_residual_stress=keep_residual_stress, if_unstable=if_unstable, skip_stability=skip_stability,
        predict_ions=predict_ions,
    )  # fmt: skip
    settings = at_temperature(
        settings, temperature, method, md_steps=md_steps, timestep=timestep, supercell=supercell, q_mesh=q_mesh
    )
    strains = Plan.load(plan)
    prepared = None if reference_of is None else prepared_before(reference_of, strains.structure, strains.size, spec, settings)
    with ProgressBar() as progress:
        found = run(
            strains, spec, run_folder or run_folder_of(output), settings,
            prepared=prepared, earlier=reference_of, progress=progress, warn=say_note,
        )  # fmt: skip
    found.data.save(output)
    emit(as_json, payload_of(found, output), lambda: render(found, output))
    if found.failed:
        raise typer.Exit(1)


def spec_of(calculator: str, options: list[str] | None) -> CalculatorSpec:
    """The calculator of the options; says on stderr where it is the user's own code that runs.

    Parameters
    ----------
    calculator : str
        The value of ``--calculator``.
    options : list of str
        Values of ``--set``, as KEY=VALUE; a value that is no YAML is text.

    Returns
    -------
    CalculatorSpec

    Raises
    ------
    DataError
        There is no such calculator, or an option is not KEY=VALUE.
    """
    import yaml

    from constitutive.simulate import read_calculator  # deferred: quick --help

    given: JsonObject = {}
    for text in options or []:
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            raise DataError(f"--set: found {text!r}; needed KEY=VALUE, such as pair_style=sw")
        try:
            given[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:  # such as "* * Si.sw Si"
            given[key.strip()] = value
    spec = read_calculator(calculator, given)
    if spec.own_code:
        err.print(f"runs your own code: {spec.name} in {spec.folder}", markup=False, soft_wrap=True)
    return spec


def settings_of(
    *, workers: int, scheduler: str | None, time_limit: float | None, batch: int, force: float | None, clamped: bool, target: float | None,
    keep_residual_stress: bool, if_unstable: str, skip_stability: bool, predict_ions: bool = False,
) -> SimulationSettings:  # fmt: skip
    """The settings of the options."""
    from constitutive.simulate import RelaxationSettings, SimulationSettings  # deferred: quick --help

    relaxation = RelaxationSettings(
        keep_residual_stress=keep_residual_stress,
        if_unstable=if_unstable,
        look_for_instability=not skip_stability,
    )
    return SimulationSettings(
        relaxation, "clamped" if clamped else "relaxed", force, workers, scheduler, time_limit, target, batch=batch,
        ions_start="predicted" if predict_ions else "affine",
    )  # fmt: skip


def at_temperature(
    settings: SimulationSettings, temperature: str | None, method: str | None, *, md_steps: int | None, timestep: float | None,
    supercell: float | None, q_mesh: int | None,
) -> SimulationSettings:  # fmt: skip
    """The settings with molecular dynamics or phonons where a temperature is given.

    Parameters
    ----------
    settings : SimulationSettings
    temperature : str
        Kelvins, with commas between.
    method : {"md", "qha"}
    md_steps, timestep : int, float
        Of molecular dynamics; fs.
    supercell : float
        Å.
    q_mesh : int
        Of phonons.

    Returns
    -------
    SimulationSettings

    Raises
    ------
    DataError
        The temperature is no list of positive numbers or contradicts the method, or an option belongs to another method.
    """
    from constitutive.simulate import DynamicsSettings, PhononSettings  # deferred: quick --help

    if method not in (None, "md", "qha"):
        raise DataError(f"--method: found {method!r}; needed md (averages of molecular dynamics) or qha (phonons, quasi-harmonic)")
    if (temperature is None) != (method is None):
        raise DataError(
            "found --temperature without --method or --method without --temperature; needed both: --temperature 300 --method md, "
            "or --temperature 100,300,500 --method qha"
        )
    options = (("--md-steps", md_steps, ("md",)), ("--timestep", timestep, ("md",)), ("--q-mesh", q_mesh, ("qha",)),
               ("--supercell", supercell, ("md", "qha")))  # fmt: skip
    if found := [name for name, value, owners in options if value is not None and method not in owners]:
        raise DataError(
            f"found {', '.join(found)} {'at rest' if method is None else f'with --method {method}'}; needed the method it belongs to: "
            "--md-steps and --timestep are of md, --q-mesh of qha, --supercell of both"
        )
    if temperature is None:
        return settings
    kelvins = _kelvins(temperature)
    if settings.ions == "clamped":
        raise DataError("found --clamped with --temperature; needed one of them: ions move at a temperature")
    of_qha = {"shortest": supercell, "mesh": q_mesh}
    if method == "qha":
        return replace(settings, phonons=PhononSettings(kelvins, **_given(of_qha)))
    if len(kelvins) > 1:
        raise DataError(f"--temperature: found {temperature} with --method md; needed one temperature: run md once for each, or take qha")
    equilibration = None if md_steps is None else md_steps // 4
    of_md = {"steps": md_steps, "equilibration": equilibration, "timestep": timestep, "shortest": supercell}
    return replace(settings, dynamics=DynamicsSettings(kelvins[0], **_given(of_md)))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _kelvins(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < value < float("inf") for value in found):
        raise DataError(f"--temperature: found {text!r}; needed positive numbers with commas between, K, such as 100,300,500")
    return found


def payload_of(found: Simulation, output: Path) -> dict[str, object]:
    """What ``--json`` prints of a simulation."""
    return {
        "written": str(output),
        "samples": len(found.data),
        "computed": found.computed,
        "point_group": found.reference.point_group,
        "lattice_angstrom": found.reference.atoms.cell.array,
        "reference_stress_GPa": found.reference.stress,
        "unstable_modes_THz": [-mode.frequency for mode in found.reference.modes],
        "examination": found.examination.as_dict(),
        "failed": {str(number): reason for number, reason in found.failed.items()},
        "several_minima": found.several_minima,
        "notes": found.notes,
    }


def say_left_out(found: Simulation) -> None:
    """Print the strains without a result, with the reason."""
    from rich.text import Text

    for number, reason in found.failed.items():
        out.print(Text(f"  left out: strain {number}: {reason}", style="yellow"), soft_wrap=True)


def render(found: Simulation, output: Path) -> None:
    """Print a simulation for a person."""
    from rich.text import Text

    seen = found.examination
    out.print(Text(f"{found.data.name}, {found.reference.point_group}: {len(found.data)} samples, {found.computed} computed now"))
    out.print(
        f"  calculator: noise {seen.noise_GPa:.1g} GPa, objectivity {seen.objectivity:.1g}, symmetry {seen.symmetry_residual:.1g}, "
        f"energy against stress {seen.energy_against_stress:.1g} (relative)"
    )
    lengths = found.reference.atoms.cell.cellpar()
    out.print(
        f"  reference: a, b, c {lengths[0]:.4f} {lengths[1]:.4f} {lengths[2]:.4f} Å, "
        f"stress {1e3 * abs(found.reference.stress).max():.2g} MPa"
    )
    say_left_out(found)
    if found.several_minima:
        out.print(Text(f"  several minima of the ions at strains {found.several_minima}", style="yellow"))
    out.print(Text(f"wrote {output}; next: constitutive calibrate {output} --out DIR"), soft_wrap=True)
