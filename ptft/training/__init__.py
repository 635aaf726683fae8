"""What training does, and what it finds: equation (11) (Sections 3 and 4.1, Appendix B.1)."""

from .descent import Descent, gradient_descent
from .flow import Flow, fine_tune, pretrain
from .implicit_bias import ImplicitBias, implicit_bias
from .many import ImplicitBiases, implicit_biases
from .message_passing import MessagePassing, approximate_message_passing
from .tuning import Tuned, leave_one_out, tune

__all__ = [
    "Descent",
    "Flow",
    "ImplicitBias",
    "ImplicitBiases",
    "MessagePassing",
    "Tuned",
    "approximate_message_passing",
    "fine_tune",
    "gradient_descent",
    "implicit_bias",
    "implicit_biases",
    "leave_one_out",
    "pretrain",
    "tune",
]
