"""Samplers: who proposes the next points of a search, from the results of those before."""

from hpcsim.samplers.budget import Budget, Spent
from hpcsim.samplers.log import SearchLog
from hpcsim.samplers.plugin import SamplerPlugin, get_sampler, sampler, sampler_names
from hpcsim.samplers.problem import SearchProblem, Variable
from hpcsim.samplers.sampler import Generational, Sampler
from hpcsim.samplers.search import Result, Search, SearchPlan, Suggestion

__all__ = [
    "Budget",
    "Generational",
    "Result",
    "Sampler",
    "SamplerPlugin",
    "Search",
    "SearchLog",
    "SearchPlan",
    "SearchProblem",
    "Spent",
    "Suggestion",
    "Variable",
    "get_sampler",
    "sampler",
    "sampler_names",
]
