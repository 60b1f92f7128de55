"""Visual role labelling in a feedback loop."""

from biasloop_roles.domain import RolesDomain

__all__ = ["RolesDomain"]
