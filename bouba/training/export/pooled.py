"""What is thrown away where a tower takes one token of many is not computed.

A ViT with a class token reads it after the last block, whose other tokens count no more once the last attention has
mixed them. Exporters write that choice where the network makes it, at the end. Here it moves up through everything
that treats tokens one by one, the last block's perceptron above all: an eighteenth of a ViT-B's arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import onnx
from onnx import helper

# Operators that compute each token's numbers from those of the same token alone; so does a product with a weight.
TOKENWISE = {"Add", "Sub", "Mul", "Div", "Erf", "Tanh", "Sigmoid", "Gelu", "Relu", "Cast", "LayerNormalization"}
TOKENS = 1  # the axis of [n, tokens, width]


def pick_early(graph: onnx.GraphProto, _: int = 0) -> bool:
    """Make the choice of one token as early as can be. Whether there was anything to move; in place."""
    constants = _constants(graph)
    picks = [node for node in graph.node if _picks_a_token(node, constants)]
    late = _late(graph, picks[0], constants) if len(picks) == 1 else []
    if not late:
        return False
    [pick] = picks
    inside = {name for node in late for name in node.output}
    nodes: list[onnx.NodeProto] = []
    early: dict[str, str] = {}
    for node in (node for node in graph.node if node is not pick):
        for place, name in enumerate(node.input if node in late else ()):
            if name and name not in inside and name not in constants:
                if name not in early:
                    early[name] = f"{name}/picked"
                    made = helper.make_node("Gather", [name, pick.input[1]], [early[name]], early[name], axis=TOKENS)
                    nodes.append(made)
                node.input[place] = early[name]
        node.output[:] = [pick.output[0] if name == pick.input[0] else name for name in node.output]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _constants(graph: onnx.GraphProto) -> dict[str, int]:
    """Names of values that no input changes, and their numbers of axes."""
    axes = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            axes[node.output[0]] = len(node.attribute[0].t.dims)
        elif node.op_type == "Identity" and node.input[0] in axes:
            axes[node.output[0]] = axes[node.input[0]]
    return axes


def _picks_a_token(node: onnx.NodeProto, constants: Mapping[str, int]) -> bool:
    return node.op_type == "Gather" and _attribute(node, "axis", 0) == TOKENS and constants.get(node.input[1]) == 0


def _late(graph: onnx.GraphProto, pick: onnx.NodeProto, constants: Mapping[str, int]) -> list[onnx.NodeProto]:
    """Nodes that work for the pick alone, token by token; in the order of the graph."""
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(output.name for output in graph.output)
    served = Counter([pick.input[0]])
    late: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        needed = any(served[name] for name in node.output)
        if needed and _tokenwise(node, constants) and all(served[name] == uses[name] for name in node.output if name):
            late.insert(0, node)
            served.update(node.input)
    return late


def _tokenwise(node: onnx.NodeProto, constants: Mapping[str, int]) -> bool:
    if node.op_type == "MatMul":
        return node.input[0] not in constants and constants.get(node.input[1]) == 2
    normed_elsewhere = node.op_type == "LayerNormalization" and _attribute(node, "axis", -1) != -1
    # A constant with more axes than a width's has one entry for each token.
    return node.op_type in TOKENWISE and not normed_elsewhere and all(constants.get(name, 0) < 2 for name in node.input)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)
