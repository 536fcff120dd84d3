import type { AdmissionPlugin } from '@godwit/api-server';
import type { DataVolume } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { invalid } from '../refuse.ts';
import { isControllers } from '../users.ts';
import { judgeDataVolumeSpec } from './data-volume-spec.ts';

/** Admission of CDI's DataVolume. */
export const dataVolumeAdmission: AdmissionPlugin = {
  name: 'datavolume.godwit.dev',
  validate(request) {
    if (request.resource.plural !== 'datavolumes' || request.subresource !== '' || request.operation === 'DELETE')
      return [];
    const dv = request.object as DataVolume;
    const old = request.oldObject as DataVolume | undefined;
    if (old) {
      if (!jsonEqual(dv.spec, old.spec)) {
        throw invalid({ kind: 'DataVolume', name: request.name }, [
          { field: 'spec', message: 'a DataVolume cannot change; create another one', reason: 'FieldValueForbidden' },
        ]);
      }
      return [];
    }
    const { problems, warnings } = judgeDataVolumeSpec(dv.spec, 'spec');
    if (problems.length > 0) throw invalid({ kind: 'DataVolume', name: request.name }, problems);
    // Those of a VM's template were told to whoever wrote the VM.
    return isControllers(request.user) ? [] : warnings;
  },
};
