"""The three ways to choose among texts, under the names SGLang gives them.

`token_length_normalized`: highest mean log-probability per token. `greedy_token_selection`: the choice whose tokens
win, position by position. `unconditional_likelihood_normalized`: log-probability given the text less the
log-probability of the choice on its own (Brown et al., 2020, "Language Models are Few-Shot Learners", section 2.4).
"""

from ..ir import ChoicesMethod

token_length_normalized: ChoicesMethod = "token_length_normalized"
greedy_token_selection: ChoicesMethod = "greedy_token_selection"
unconditional_likelihood_normalized: ChoicesMethod = "unconditional_likelihood_normalized"
CHOICES_METHODS = (token_length_normalized, greedy_token_selection, unconditional_likelihood_normalized)
