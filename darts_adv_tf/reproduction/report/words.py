"""The sentences that the page and the Markdown share."""

from darts_adv_tf.reproduction.paper import SOURCE, TABLES
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.report.tables import setting_table
from darts_adv_tf.reproduction.report.wording import DATASETS

LEAD = (
    "Does a searched discriminator match or beat a hand-made one, and do both beat none and random "
    f"ones? The claims of {SOURCE}, measured again."
)
BLIND = "Without this, no comparison of arms means much: the mean training mask sees no image."
NOTHING = "No run has finished yet: there is nothing to judge."
UNFINISHED = "What follows rests on the finished runs alone."
INTERVALS = (
    "Overlaps are percent of the union, over all test pixels together; distances are pixels of the "
    "training resolution. Intervals are Student's over the runs of an arm; one run has none. Runs "
    "against random discriminators share seeds, so that theirs is narrower than other seeds would "
    "show. The blind rows never look at the image: what does not lie above them has not shown that "
    "it does."
)
PAPER = (
    "The paper's column is for orientation: it reports neither spreads nor blind rows, nor its "
    "batches, the length of its search and the discriminator's channels."
)
OTHER_SETTING = "Its setting is another one, too (below)."
DIFFERENCES = (
    "Two trained models of one seed on the same test cases: is what lies between them more than "
    "chance among cases? Whether another seed would bring it again, the verdicts above tell. Mean "
    "difference with its bootstrap 95 % interval; wins and losses count cases; Holm's correction "
    "is over all comparisons of a backbone, bold below 0.05; the rank-biserial correlation is 1 "
    "where the first arm is better in every case, −1 where it is worse in every one. Where an arm "
    "has several runs in a seed, a case counts with their mean. The mean training mask, blind to "
    "the image, stands last, to tell how much of an arm the differences between arms are."
)
ALPHA = (
    "Where α never leaves its start, the derived cells are what its random start made them, and "
    "the search chose nothing."
)
STABILITY = (
    "Were the search certain, each seed would derive the same cells. Chance is the agreement of "
    "two genotypes derived from random α."
)
OTHER_VERSIONS = (
    "Not all runs had the same versions, so that arms of a seed need not have begun with the same "
    "weights. By number of runs: "
)
OVERLAYS = "Best, median and worst test case of the first seed."
COST = (
    "Time of the steps alone, without reading the data, measuring and exporting. The first step "
    "builds the graph, which counts, and counts again when a run was resumed; of the epoch that it "
    "was stopped in only the steps since do. Runs that shared a machine slowed each other."
)


def title(content: Content) -> str:
    dataset = DATASETS.get(content.dataset, content.dataset)
    return f"The paper's claims on {dataset}" if dataset else "The paper's claims"


def figures_notes(content: Content) -> list[str]:
    if content.dataset not in TABLES:
        return [INTERVALS]
    differs = any(here.is_best for _, (_, here) in setting_table(content).rows)
    return [INTERVALS, f"{PAPER} {OTHER_SETTING}" if differs else PAPER]


def versions_notes(content: Content) -> list[str]:
    """What the runs ran on."""
    if not content.versions:
        return []
    told = "; ".join(content.versions)
    return [f"{OTHER_VERSIONS}{told}." if len(content.versions) > 1 else f"Versions: {told}."]
