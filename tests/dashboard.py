"""TensorBoard's HParams dashboard, asked through its own handlers."""

from tensorboard.backend.event_processing import (
    data_provider,
    plugin_event_multiplexer,
)
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    get_experiment,
    list_session_groups,
)


class Dashboard:
    """What the dashboard's server answers for a log directory."""

    def __init__(self, log_dir):
        self.multiplexer = plugin_event_multiplexer.EventMultiplexer()
        self.multiplexer.AddRunsFromDirectory(str(log_dir))
        self.multiplexer.Reload()
        provider = data_provider.MultiplexerDataProvider(
            self.multiplexer, str(log_dir)
        )
        self.context = backend_context.Context(
            TBContext(data_provider=provider, logdir=str(log_dir))
        )

    def experiment(self):
        return get_experiment.Handler(
            RequestContext(), self.context, "", api_pb2.GetExperimentRequest()
        ).run()

    def groups(self, **column):
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=100,
            allowed_statuses=[
                api_pb2.STATUS_SUCCESS,
                api_pb2.STATUS_FAILURE,
                api_pb2.STATUS_RUNNING,
                api_pb2.STATUS_UNKNOWN,
            ],
        )
        if column:
            request.col_params.add(**column)
        response = list_session_groups.Handler(
            RequestContext(), self.context, "", request
        ).run()
        return {group.name: group for group in response.session_groups}

    def scalars(self, run, tag):
        return [
            (event.step, round(event.tensor_proto.float_val[0], 6))
            for event in self.multiplexer.Tensors(run, tag)
        ]
